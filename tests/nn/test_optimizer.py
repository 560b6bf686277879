"""The fused optimiser of a supernet makes the same steps as torch's plain one."""

import pytest
import torch

from hwnas.nn.optimizer import sgd
from hwnas.nn.state import load_state, save_state

SHAPES = [(6, 4, 3, 3), (4, 1, 5, 5), (7,)]


def parameters():
    """Some weights, those of convolutions in channels_last."""
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(shape, generator=generator) for shape in SHAPES]
    return [torch.nn.Parameter(v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v) for v in values]


def step(optimizer, weights, number):
    """One step in which the weight `number` % 3 sits out."""
    generator = torch.Generator().manual_seed(number)
    for index, weight in enumerate(weights):
        gradient = torch.randn(weight.shape, generator=generator)
        weight.grad = None if index == number % 3 else torch.empty_like(weight).copy_(gradient)
    optimizer.step()


def groups(weights):
    return [{"params": weights[:2], "weight_decay": 0.1}, {"params": weights[2:], "weight_decay": 0.0}]


@pytest.mark.parametrize("cut", [False, True], ids=["in one go", "from a checkpoint"])
def test_steps_are_those_of_plain_sgd(tmp_path, cut):
    ours, plain = parameters(), parameters()
    fused = sgd(groups(ours), lr=0.1)
    reference = torch.optim.SGD(groups(plain), lr=0.1, momentum=0.9, nesterov=True)
    for number in range(4):
        step(fused, ours, number)
        step(reference, plain, number)
    if cut:
        save_state(tmp_path / "state", fused.state_dict())
        fused = sgd(groups(ours), lr=0.1)
        fused.load_state_dict(load_state(tmp_path / "state"))
    for number in range(4, 8):
        step(fused, ours, number)
        step(reference, plain, number)
    for weight, expected in zip(ours, plain, strict=True):
        torch.testing.assert_close(weight, expected)


def test_a_weight_that_never_ran_has_no_state():
    weights = parameters()
    optimizer = sgd(groups(weights), lr=0.1)
    before = weights[1].detach().clone()
    step(optimizer, weights, 1)
    assert torch.equal(weights[1], before)
    assert set(optimizer.state) == {weights[0], weights[2]}
