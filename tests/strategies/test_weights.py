"""A weight step over several architectures: its gradient, its teacher, and what it leaves alone."""

import pytest
import torch
from torch.nn import functional

from hwnas.nn.supernet import Supernet, one_hot
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.weights import weight_step

ARCHS = [(0, 0), (1, 2), (0, 2)]
IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


def smoothed(logits, labels):
    return functional.cross_entropy(logits, labels, label_smoothing=0.1)


@pytest.fixture
def supernet(awake) -> Supernet:
    """Two slots of two MBConvs and a skip; every candidate changes the answers."""
    convs = [Block("mbconv", 8, 8, 8, 8, k, 1, e, act="relu", residual=True) for k, e in ((5, 6), (3, 3))]
    slot = Slot((*convs, Block("skip", 8, 8, 8, 8)))
    parts = (Block("conv", 3, 8, 8, 8, 3, act="relu"), slot, slot, Block("classifier", 8, 4, 8, 8))
    return awake(Supernet(SearchSpace("small", parts), seed=0)).train().double()


def step(supernet, archs, lr=1.0, **options):
    return weight_step(
        supernet, torch.optim.SGD(supernet.parameters(), lr), archs, IMAGES.double(), LABELS, smoothed, **options
    )


def moved(supernet, archs, **options):
    """How far a step of rate 1 moves each weight: less its gradient."""
    before = {name: value.detach().clone() for name, value in supernet.named_parameters()}
    step(supernet, archs, **options)
    return {name: value.detach() - before[name] for name, value in supernet.named_parameters()}


def gradients(supernet, loss):
    found = torch.autograd.grad(loss, list(supernet.parameters()), allow_unused=True)
    return {name: grad for (name, _), grad in zip(supernet.named_parameters(), found, strict=True)}


def assert_descends(movement, grads):
    for name, grad in grads.items():
        expected = torch.zeros_like(movement[name]) if grad is None else -grad
        torch.testing.assert_close(movement[name], expected, rtol=1e-9, atol=1e-12)


def test_the_gradients_of_all_architectures_add_up(supernet):
    loss = sum(smoothed(supernet(IMAGES.double(), one_hot(arch)), LABELS) for arch in ARCHS)
    grads = gradients(supernet, loss)
    assert_descends(moved(supernet, ARCHS), grads)


def test_with_distillation_the_first_learns_labels_and_the_others_its_answers(supernet):
    first, *others = (supernet(IMAGES.double(), one_hot(arch)) for arch in ARCHS)
    taught = first.softmax(1).detach()
    loss = smoothed(first, LABELS) - sum((taught * answers.log_softmax(1)).sum(1).mean() for answers in others)
    grads = gradients(supernet, loss)
    assert_descends(moved(supernet, ARCHS, distil=True), grads)


def test_one_architecture_is_an_ordinary_step_and_tells_its_loss_before_it(supernet):
    loss = smoothed(supernet(IMAGES.double(), one_hot(ARCHS[1])), LABELS)
    grads = gradients(supernet, loss)
    assert step(supernet, ARCHS[1:2], lr=0.0) == pytest.approx(loss.item(), rel=1e-12)
    assert_descends(moved(supernet, ARCHS[1:2], distil=True), grads)


def test_the_loss_told_is_that_of_the_first(supernet):
    alone = step(supernet, ARCHS[:1], lr=0.0)
    assert step(supernet, ARCHS, lr=0.0, distil=True) == alone != step(supernet, ARCHS[1:], lr=0.0)


def test_what_did_not_run_is_left_alone_by_momentum_and_decay(supernet):
    optimizer = torch.optim.SGD(supernet.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    for archs in ([(0, 0)], [(1, 2), (0, 2)]):
        before = {name: value.detach().clone() for name, value in supernet.named_parameters()}
        weight_step(supernet, optimizer, archs, IMAGES.double(), LABELS)
        changed = {name for name, value in supernet.named_parameters() if not torch.equal(value, before[name])}
        idle = {f"parts.{slot + 1}.{index}." for slot in (0, 1) for index in (0, 1)}
        idle -= {f"parts.{slot + 1}.{index}." for arch in archs for slot, index in enumerate(arch)}
        assert changed
        assert not any(name.startswith(prefix) for name in changed for prefix in idle)
