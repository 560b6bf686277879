"""The supernet: one path is exactly the child, two paths give the published gradient, idle candidates do nothing."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hwnas.nn.supernet import Gate, Supernet, one_hot
from hwnas.space import mobile
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot


def small_space(slots: int = 3, channels: int = 8, size: int = 8) -> SearchSpace:
    """Three slots of three MBConvs and a skip, on 8×8 images."""
    convs = [Block("mbconv", channels, channels, size, size, k, 1, e, act="relu6", residual=True)
             for k, e in ((3, 2), (5, 3), (7, 1))]  # fmt: skip
    slot = Slot((*convs, Block("skip", channels, channels, size, size)))
    stem, head = Block("conv", 3, channels, size, size, 3, act="relu6"), Block("classifier", channels, 5, size, size)
    return SearchSpace("small", (stem, *[slot] * slots, head))


# Any resolution that the strides allow: the weights do not know it, and 224 px would only take longer.
@pytest.mark.parametrize(
    ("name", "pixels", "count"), [("proxyless", 64, 100), ("proxyless-32", 32, 100), ("fbnet", 16, 10)]
)
def test_one_hot_gates_equal_the_extracted_network(name, pixels, count, awake):
    space = mobile.get(name, classes=10)
    supernet = awake(Supernet(space, seed=0))
    rng = np.random.default_rng(0)
    images = torch.randn(2, 3, pixels, pixels)
    for _ in range(count):
        arch = space.sample(rng)
        supernet.train()
        trained = supernet(images, one_hot(arch))
        child = supernet.extract(arch).train()
        torch.testing.assert_close(trained, child(images), rtol=0, atol=0)
        supernet.eval()
        torch.testing.assert_close(
            supernet(images, one_hot(arch)), supernet.extract(arch).eval()(images), rtol=0, atol=0
        )


def test_extracted_weights_are_a_copy():
    supernet = Supernet(small_space(), seed=0)
    child = supernet.extract((0, 3, 1))
    with torch.no_grad():
        for parameter in child.parameters():
            parameter.zero_()
    assert all(weight.abs().sum() > 0 for name, weight in supernet.parts[1].named(0) if "norm" not in name)


def test_a_seed_decides_the_weights_and_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    one, two = Supernet(small_space(), seed=3), Supernet(small_space(), seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize("pairs", [[(0, 1), (2, 0), (1, 2)], [(3, 0), (1, 3), (3, 2)]], ids=["convs", "skip"])
def test_gate_gradient_is_the_inner_product_with_each_output(pairs, awake):
    """Against autograd through the product Σ g_j o_j written out, in float64."""
    space = small_space()
    supernet = awake(Supernet(space, seed=0)).double()
    images, labels = torch.randn(4, 3, 8, 8).double(), torch.tensor([0, 1, 2, 3])
    weights = [torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True) for _ in pairs]
    gates = [Gate(pair, weight) for pair, weight in zip(pairs, weights, strict=True)]
    got = torch.autograd.grad(F.cross_entropy(supernet(images, gates), labels), weights)

    x = supernet.parts[0].run(0, images)
    plain = [torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True) for _ in pairs]
    for part, (active, inactive), g in zip(list(supernet.parts)[1:-1], pairs, plain, strict=True):
        x = g[0] * part.run(active, x) + g[1] * part.run(inactive, x)
    want = torch.autograd.grad(F.cross_entropy(supernet.parts[-1].run(0, x), labels), plain)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert all(g.abs().min() > 1e-9 for g in got)


def test_a_weight_step_leaves_idle_candidates_untouched(awake):
    supernet = awake(Supernet(small_space(), seed=0)).train()
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    images, labels = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
    for arch in ((0, 1, 2), (1, 1, 3)):
        before = {name: value.clone() for name, value in supernet.state_dict().items()}
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(supernet(images, one_hot(arch)), labels).backward()
        optimizer.step()
        moved = {name for name, value in supernet.state_dict().items() if not torch.equal(value, before[name])}
        ran = {"parts.0.", "parts.4.", *(f"parts.{slot + 1}.{index}." for slot, index in enumerate(arch) if index < 3)}
        assert all(any(name.startswith(prefix) for prefix in ran) for name in moved)
        assert all(any(name.startswith(prefix) for name in moved) for prefix in ran)


def test_a_wrong_number_of_gates_is_refused():
    with pytest.raises(ValueError, match="2 gates for 3 slots"):
        Supernet(small_space(), seed=0)(torch.randn(1, 3, 8, 8), one_hot((0, 1)))
