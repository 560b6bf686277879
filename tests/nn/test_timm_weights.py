"""Weights of timm: the same function, or refused with the reason."""

import json
from dataclasses import replace

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from timm.models import mobilenetv3

from hwnas.nn import weights
from hwnas.nn.build import build
from hwnas.space import strings, zoo
from hwnas.testing import refused

NAME = "mobilenetv3_small_100"
NET = zoo.get("mobilenet_v3_small", 10, 32)


def awakened(name):
    """timm's model with norms of small variances, so that it matters what is added to them."""
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=10).eval()
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_var.uniform_(1e-3, 1e-2)
            part.running_mean.normal_(0, 0.02)
            part.weight.data.uniform_(0.05, 0.15)
    return model


@pytest.fixture(scope="module")
def theirs():
    return awakened(NAME)


def plain(state, folder):
    torch.save(state, folder / "w.pth")
    return folder / "w.pth"


def under(name, **others):
    def write(state, folder):
        torch.save({name: state, **others}, folder / "w.pth")
        return folder / "w.pth"

    return write


def safe(state, folder):
    save_file(state, folder / "model.safetensors")
    return folder / "model.safetensors"


def parallel(state, folder):
    return plain({f"module.{name}": weight for name, weight in state.items()}, folder)


FORMS = [plain, under("model"), under("state_dict_ema", state_dict={"a": torch.zeros(1)}, epoch=3), safe, parallel]


@pytest.mark.parametrize("write", FORMS)
def test_timms_weights_compute_the_same_here_with_timms_epsilon(theirs, tmp_path, write):
    before = torch.get_rng_state()
    loaded = weights.load(NET, write(theirs.state_dict(), tmp_path), timm=NAME)
    assert torch.equal(torch.get_rng_state(), before)
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        expected, found = theirs(images), loaded(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert (NET.eps, loaded.net.eps, loaded.training) == (1e-3, 1e-5, False)


@pytest.mark.parametrize("write", FORMS)
def test_weights_of_no_named_model_are_refused(theirs, tmp_path, write):
    path = write(theirs.state_dict(), tmp_path)
    with refused("weights.timm-unnamed", path=path):
        weights.load(NET, path)


def test_a_file_may_name_the_model(theirs, tmp_path):
    path = under("state_dict", arch=NAME)(theirs.state_dict(), tmp_path)
    assert weights.load(NET, path).net.eps == 1e-5
    (tmp_path / "config.json").write_text(json.dumps({"architecture": NAME}))
    assert weights.load(NET, safe(theirs.state_dict(), tmp_path)).net.eps == 1e-5


def test_what_is_another_function_is_refused(theirs, tmp_path):
    path = plain(theirs.state_dict(), tmp_path)
    stem, *others = NET.blocks
    other = replace(NET, blocks=(replace(stem, act="relu"), *others))
    with refused("weights.other-function", name=NAME, path=path):
        weights.load(other, path, timm=NAME)
    for name, code in [
        ("tf_mobilenetv3_small_100", "weights.tf-padding"),
        ("mobilenetv3_large_100", "weights.timm-model"),
        ("mobilenetv9", "weights.timm-name"),
        ("hf-hub:timm/mobilenetv3_small_100.lamb_in1k", "weights.timm-name"),
    ]:
        with refused(code, name=name, path=path):
            weights.load(NET, path, timm=name)


def test_safetensors_are_read_where_their_order_is_known(tmp_path):
    ours = build(NET, seed=1)
    loaded = weights.load(NET, safe({n: t.contiguous() for n, t in ours.state_dict().items()}, tmp_path))
    assert all(torch.equal(t, ours.state_dict()[n]) for n, t in loaded.state_dict().items())
    other = torchvision.models.mobilenet_v3_small(num_classes=10).state_dict()
    with refused("weights.sorted"):
        weights.load(NET, safe(other, tmp_path))
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with refused("weights.damaged", path=path):
        weights.load(NET, path)


@pytest.mark.parametrize("name", ["fbnetv3_b", "fbnetv3_d", "fbnetv3_g", "mobilenetv3_rw"])
def test_strings_of_which_timm_makes_another_network_are_refused(monkeypatch, name):
    lines, decode = [], mobilenetv3.decode_arch_def

    def remember(stages, *args, **options):
        lines.extend(" ".join(stage) for stage in stages)
        return decode(stages, *args, **options)

    monkeypatch.setattr(mobilenetv3, "decode_arch_def", remember)
    with torch.device("meta"):
        model = timm.create_model(name)
    definition = strings.Definition(
        tuple(lines), "mobilenetv3", model.conv_stem.out_channels, model.conv_head.out_channels, "hswish"
    )
    with refused("strings.incomplete", name=name):
        strings.read(definition)
    other = strings.read(replace(definition, stages=(*lines[:-1], "cn_r1_k1_s1_c960_nre")))
    assert other.blocks[-2].cout == 960
