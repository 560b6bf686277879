"""A network that begins with the weights of another is the same function; of another architecture it is refused."""

from dataclasses import replace

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from hwnas.nn import initial, timm_weights
from hwnas.nn.build import build
from hwnas.space import zoo
from hwnas.space.net import Block, Net
from hwnas.testing import refused

NAME = "mobilenetv3_small_100"


def small(classes=5, size=8, **changes):
    """A network with one of each: norms, a residual block, squeeze-and-excite."""
    return Net(
        (
            Block("conv", 3, 8, size, size, 3, act="relu6"),
            Block(
                "mbconv",
                8,
                8,
                size,
                size,
                **{"kernel": 3, "expansion": 2, "residual": True, "se": 4, "act": "relu6", **changes},
            ),
            Block("classifier", 8, classes, size, size),
        ),
        "small",
    )


def trained(net, seed=0):
    """`net` with weights and statistics of which none is at rest, in eval mode."""
    module = build(net, seed)
    generator = torch.Generator().manual_seed(seed)
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.copy_(0.5 + 0.3 * torch.rand(value.shape, generator=generator))
    return module.eval()


def logits(module, size=8):
    with torch.no_grad():
        return module.eval()(torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_a_network_begins_as_the_one_whose_weights_it_takes(eps):
    source, module = trained(small()), build(replace(small(), eps=eps), seed=3)
    filled = initial.fill(module, source)
    torch.testing.assert_close(logits(module), logits(source), rtol=1e-5, atol=1e-5)
    assert filled.new == ()
    assert set(filled.loaded) == set(module.state_dict())


def test_a_classifier_of_other_classes_and_nothing_else_begins_anew():
    source, module = trained(small()), build(small(classes=3, size=16), seed=3)
    before = module[-1].linear.weight.clone()
    filled = initial.fill(module, source)
    assert filled.new == ("2.linear.weight", "2.linear.bias")
    assert torch.equal(module[-1].linear.weight, before)
    body, other = (nn.Sequential(*list(m)[:-1]) for m in (module, source))
    torch.testing.assert_close(logits(body), logits(other))


@pytest.mark.parametrize(
    ("other", "block"),
    [
        (small(kernel=5), 1),
        (small(hard=True), 1),
        (Net((small().blocks[0], small().blocks[-1])), 1),
        (replace(small(), blocks=(replace(small().blocks[0], act="relu"), *small().blocks[1:])), 0),
    ],
)
def test_another_architecture_is_refused_naming_the_first_block_that_differs(other, block):
    module = build(small(), seed=3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with refused("initial.other-architecture", block=block):
        initial.fill(module, build(other, 0))
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


@pytest.mark.parametrize("form", ["safetensors", "pth"])
def test_a_file_of_our_own_is_read_whatever_its_classes(tmp_path, form):
    source = trained(small(classes=7))
    path = tmp_path / f"weights.{form}"
    state = {name: value.contiguous() for name, value in source.state_dict().items()}
    (save_file if form == "safetensors" else torch.save)(state, path)
    found = initial.read(small(), path)
    assert found.net.classes == 7
    assert torch.equal(logits(found), logits(source))
    with refused("weights.shape", name="1.depthwise.weight", path=path):
        initial.read(small(kernel=5), path)
    with refused("weights.unmatched", path=path):
        bare = small()
        initial.read(replace(bare, blocks=(bare.blocks[0], replace(bare.blocks[1], se=0), bare.blocks[2])), path)


def test_a_file_that_is_no_weights_is_refused(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with refused("weights.pickle", path=tmp_path / "photo.jpg"):
        initial.read(small(), tmp_path / "photo.jpg")


@pytest.fixture(scope="module")
def theirs():
    """timm's model for seven classes, with norms whose epsilon counts."""
    torch.manual_seed(0)
    model = timm.create_model(NAME, num_classes=7).eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_var.uniform_(1e-3, 1e-2)
            part.weight.data.uniform_(0.05, 0.15)
    return model


def test_timms_weights_are_taken_but_for_the_classifier(theirs, tmp_path):
    net = zoo.get("mobilenet_v3_small", 10, 32)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    module = build(net, seed=0)
    filled = initial.fill(module, initial.read(net, tmp_path / "w.pth", NAME))
    assert filled.new == ("13.linear.weight", "13.linear.bias")
    assert module.net.eps != 1e-5  # timm's, and still the features are the same
    module[-1].linear = theirs.classifier
    expected = logits(theirs, 32)
    torch.testing.assert_close(logits(module, 32), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_what_timm_cannot_fetch_is_said_in_a_line(monkeypatch, theirs):
    net = zoo.get("mobilenet_v3_small", 10, 32)
    with refused("weights.timm-name", name="mobilenetv9"):
        initial.download(net, "mobilenetv9")

    def offline(name, pretrained=False, **options):
        raise OSError("no network here.\nTry again")

    with monkeypatch.context() as patch:
        patch.setattr(timm, "create_model", offline)
        with refused("weights.timm-download", name=NAME):
            initial.download(net, NAME)
    monkeypatch.setattr(timm_weights, "download", lambda name: theirs)
    assert initial.download(net, NAME).net.classes == 7
    with refused("weights.shape"):
        initial.download(zoo.get("mobilenet_v3_large", 10, 32), NAME)
