"""A weight step over several architectures: its gradient, its teacher, and what it leaves alone."""

import pytest
import torch
from torch.nn import functional

from hwnas.nn.gates import Gate
from hwnas.nn.optimizer import sgd
from hwnas.nn.supernet import Supernet, one_hot
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.base import TrainingPaths
from hwnas.strategies.weights import SharedWeights, weight_step

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


def training_paths(archs, **options):
    return TrainingPaths(tuple(map(one_hot, archs)), **options)


def step(supernet, archs, lr=1.0, decay=0.0, **options):
    optimizer = torch.optim.SGD(supernet.parameters(), lr, weight_decay=decay)
    return weight_step(
        SharedWeights(supernet, smoothed), optimizer, training_paths(archs, **options), (IMAGES.double(), LABELS)
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


def test_a_path_of_several_weighted_options_is_an_ordinary_step(supernet):
    gates = (Gate((0, 2), torch.tensor([0.3, 0.7]).double(), "weighted"), Gate((1,)))
    grads = gradients(supernet, smoothed(supernet(IMAGES.double(), gates), LABELS))
    before = {name: value.detach().clone() for name, value in supernet.named_parameters()}
    optimizer = torch.optim.SGD(supernet.parameters(), 1.0)
    weight_step(SharedWeights(supernet, smoothed), optimizer, TrainingPaths((gates,)), (IMAGES.double(), LABELS))
    movement = {name: value.detach() - before[name] for name, value in supernet.named_parameters()}
    assert_descends(movement, grads)


def test_decay_of_the_first_alone_spares_what_only_the_others_run(supernet):
    initial = {name: value.detach().clone() for name, value in supernet.named_parameters()}
    ends = []
    for decay, first in ((0.0, False), (0.5, False), (0.5, True)):
        supernet.load_state_dict(initial, strict=False)
        optimizer = sgd([{"params": list(supernet.parameters()), "weight_decay": decay}], 0.1)
        told = training_paths(ARCHS, decay_first=first)
        weight_step(SharedWeights(supernet, smoothed), optimizer, told, (IMAGES.double(), LABELS))
        ends.append({name: value.detach().clone() for name, value in supernet.named_parameters()})
    plain, decayed, spared = ends
    later = {name for name in initial if name.startswith("parts.1.1.")}  # which the second architecture alone runs
    assert any(not torch.allclose(plain[name], decayed[name]) for name in later)
    for name in initial:
        torch.testing.assert_close(spared[name], (plain if name in later else decayed)[name], rtol=1e-12, atol=1e-14)


def test_what_did_not_run_is_left_alone_by_momentum_and_decay(supernet):
    optimizer = torch.optim.SGD(supernet.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    for archs in ([(0, 0)], [(1, 2), (0, 2)]):
        before = {name: value.detach().clone() for name, value in supernet.named_parameters()}
        weight_step(SharedWeights(supernet), optimizer, training_paths(archs), (IMAGES.double(), LABELS))
        changed = {name for name, value in supernet.named_parameters() if not torch.equal(value, before[name])}
        idle = {f"parts.{slot + 1}.{index}." for slot in (0, 1) for index in (0, 1)}
        idle -= {f"parts.{slot + 1}.{index}." for arch in archs for slot, index in enumerate(arch)}
        assert changed
        assert not any(name.startswith(prefix) for name in changed for prefix in idle)
