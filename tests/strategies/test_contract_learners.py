"""Every learner, relaxations and policies alike, keeps the contract, and finds what can be found."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from toys import Linear, ToyStep, build, elastic, every

from hwnas.nn.supernet import Supernet
from hwnas.strategies.limit import Limit
from hwnas.strategies.methods import METHODS
from hwnas.testing import LearnerContract
from hwnas.testing.strategies import toy_step
from hwnas.testing.toys import SPACES

GRADIENT = [name for name, method in METHODS.items() if method.kind == "gradient"]
LEARNERS = [name for name, method in METHODS.items() if method.kind in ("gradient", "policy")]
STEPS = 8


class TestLearners(LearnerContract):
    @pytest.fixture(autouse=True, params=LEARNERS)
    def _name(self, request):
        self.reference = request.param


@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("price", [0.0, 2.0])
def test_gradients_find_the_optimum_of_a_separable_problem(name, kind, price):
    """Of cross-entropy alone, and where latency has such a price that another architecture is best.

    What runs one path is noisier and has more steps; DSNAS, which has no baseline, most, and may end at the second.
    """
    toy, steps = toy_step(SPACES[kind], price), 600 if name == "dsnas" else 300 if name == "proxyless" else 150
    learner = build(name, Limit.none(SPACES[kind]), budget=steps)
    for number in range(steps):
        toy.progress = number / steps
        toy.supernet.zero_grad(set_to_none=True)
        learner.learn(toy)
    total = Linear(SPACES[kind])
    total.values = -toy.losses.values - price * toy.cost.values
    assert total.score(learner.best()) >= np.sort(total.cost(every(SPACES[kind])))[-2 if name == "dsnas" else -1]


class SupernetToy(ToyStep):
    """A true supernet of `elastic()` and a batch of images, with the latency of `Toy`."""

    def __init__(self) -> None:
        super().__init__(Linear(elastic()), Linear(elastic(), seed=7), 0.3)
        self.supernet = Supernet(elastic(), 0).train()
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(4, 3, 8, 8, generator=generator)
        self.labels = torch.randint(5, (4,), generator=generator)

    def loss(self, gates):
        return cross_entropy(self.supernet(self.images, gates), self.labels)

    training_loss = loss

    def reward(self, arch):
        return 0.5


@pytest.mark.parametrize("name", LEARNERS)
def test_learns_on_a_true_supernet_and_leaves_it_as_it_was(name, awake):
    """Only a single-level learner leaves gradients in it; a lesson makes them everywhere that it runs."""
    step, learner = SupernetToy(), build(name, Limit.none(elastic()), budget=STEPS)
    awake(step.supernet)
    before = {key: value.clone() for key, value in step.supernet.state_dict().items()}
    for _ in range(3):
        learner.learn(step)
    assert all(torch.equal(value, before[key]) for key, value in step.supernet.state_dict().items())
    assert any(p.grad is not None for p in step.supernet.parameters()) == learner.single_level
    step.supernet.zero_grad(set_to_none=True)
    shared = learner.distribution()
    for path in learner.training_paths(0.5).paths:
        step.loss(path).backward()
    assert sum(p.grad is not None and bool(p.grad.any()) for p in step.supernet.parameters()) > 5
    assert torch.equal(learner.distribution(), shared)
    assert shared.isfinite().all()
