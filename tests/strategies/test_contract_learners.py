"""What every strategy that learns while shared weights do must keep to: relaxations and policies alike."""

import random
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from toys import Linear, Toy, elastic, every, limited, made, space

from hwnas.nn.gates import gate_at
from hwnas.nn.state import load_state, save_state
from hwnas.nn.supernet import Supernet
from hwnas.space import registry
from hwnas.strategies.limit import Limit
from hwnas.strategies.methods import METHODS

GRADIENT = [name for name, method in METHODS.items() if method.kind == "gradient"]
LEARNERS = [name for name, method in METHODS.items() if method.kind in ("gradient", "policy")]
TOYS = {"independent": space(4, 3, 5, 2, 4), "elastic": elastic()}
STEPS = 8

each = pytest.mark.parametrize("name", LEARNERS)
each_space = pytest.mark.parametrize("kind", TOYS)
each_limit = pytest.mark.parametrize("allowed", ["hard", "band"])
named_space = cache(registry.get)


def plain(training_paths):
    """A lesson in figures that can be compared."""
    paths = [
        [(gate.indices, None if gate.weights is None else gate.weights.tolist(), gate.mode) for gate in path]
        for path in training_paths.paths
    ]
    return paths, training_paths.distil, training_paths.decay_first


def run(learner, toy, steps=STEPS, first=0):
    """Lessons and architecture steps in turn, from step `first`; all that they came to, in figures."""
    seen = []
    for step in range(first, first + steps):
        toy.part = step / STEPS
        toy.supernet.zero_grad(set_to_none=True)
        seen.append(plain(learner.training_paths(step / STEPS)))
        seen.append((learner.learn(toy), learner.distribution().tolist()))
    return seen


def toy_of(space, price=0.3):
    """Cross-entropies of 0 to 1 for each option, and a price on the cost that `limited` limits."""
    return Toy(Linear(space), Linear(space, seed=7), price)


@each
@each_space
@each_limit
def test_what_it_chooses_is_valid_and_within_the_limit(name, kind, allowed):
    limit = limited(TOYS[kind], allowed)
    learner = made(name, limit, budget=STEPS)
    found = [arch for arch_scores, _ in run(learner, toy_of(limit.space))[1::2] for arch, _ in arch_scores]
    archs = [*found, learner.best(), *learner.finalists(5, limit)]
    assert all(isinstance(arch, tuple) and limit.space.check(arch) == arch for arch in archs)
    assert limit.allows([learner.best(), *learner.finalists(5, limit)]).all()
    assert len(set(learner.finalists(5, limit))) == 5
    assert learner.finalists(1, limit) == [learner.best()]


@each
@each_space
def test_its_distribution_is_one_over_the_options_that_there_are(name, kind):
    learner = made(name, Limit.none(TOYS[kind]), budget=STEPS)
    for _ in range(2):
        probs = learner.distribution()
        assert probs.shape == (len(TOYS[kind].choices), max(TOYS[kind].choices))
        torch.testing.assert_close(probs.sum(1), torch.ones(len(probs), dtype=probs.dtype))
        assert all(not row[n:].any() for row, n in zip(probs, TOYS[kind].choices, strict=True))
        assert not probs.requires_grad
        run(learner, toy_of(TOYS[kind]))


@each
@each_space
def test_the_same_seed_gives_the_same_run_and_another_seed_another(name, kind):
    limit = limited(TOYS[kind], "band")
    one, same, other = (
        run(made(name, limit, seed=seed, budget=STEPS), toy_of(limit.space)) for seed in (3, 3, 4)
    )  # fmt: skip
    assert one == same != other


@each
@pytest.mark.parametrize("cut", [5])
def test_a_run_that_is_saved_and_loaded_goes_on_as_it_would_have(name, cut, tmp_path):
    limit, toy = limited(TOYS["elastic"], "band"), toy_of(TOYS["elastic"])
    learner = made(name, limit, budget=STEPS)
    run(learner, toy, cut)
    save_state(tmp_path / "state", learner.state_dict())
    # Policies estimate what is probable by draws of the very seed, which a resumed search has too.
    loaded = made(name, limit, seed=9 if name in GRADIENT else 0, budget=STEPS)
    run(loaded, toy, 2)  # all that it knew is forgotten
    loaded.load_state_dict(load_state(tmp_path / "state"))
    assert run(learner, toy, STEPS - cut, cut) == run(loaded, toy, STEPS - cut, cut)
    assert learner.finalists(5, limit) == loaded.finalists(5, limit)


@pytest.mark.parametrize("name", GRADIENT)
@each_space
@pytest.mark.parametrize("price", [0.0, 2.0])
def test_gradients_find_the_optimum_of_a_separable_problem(name, kind, price):
    """Of cross-entropy alone, and where latency has such a price that another architecture is best.

    What runs one path is noisier and has more steps; DSNAS, which has no baseline, most, and may end at the second.
    """
    toy, steps = toy_of(TOYS[kind], price), 600 if name == "dsnas" else 300 if name == "proxyless" else 150
    learner = made(name, Limit.none(TOYS[kind]), budget=steps)
    for step in range(steps):
        toy.part = step / steps
        toy.supernet.zero_grad(set_to_none=True)
        learner.learn(toy)
    worth = Linear(TOYS[kind])
    worth.values = -toy.losses.values - price * toy.cost.values
    assert worth.score(learner.best()) >= np.sort(worth.cost(every(TOYS[kind])))[-2 if name == "dsnas" else -1]


@each
def test_nothing_global_is_drawn_from_or_kept(name):
    limit, toy = limited(TOYS["elastic"], "hard"), toy_of(TOYS["elastic"])
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    alone = run(made(name, limit, budget=STEPS), toy)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    one, other = made(name, limit, budget=STEPS), made(name, limit, seed=1, budget=STEPS)
    seen = []
    for step in range(STEPS):
        seen += run(one, toy, 1, step)
        run(other, toy_of(TOYS["elastic"], price=-1.0), 1, step)
    assert seen == alone


@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.parametrize("known", registry.SPACES)
def test_gradients_work_on_every_space(name, known):
    """What they make run fits everywhere: no options of different shapes are mixed. Policies run one path at a time."""
    large = named_space(known)
    limit = Limit(large, Linear(large, seed=7).cost)
    learner = made(name, limit, budget=STEPS)
    toy = toy_of(large)
    for path in learner.training_paths(0.2).paths:
        assert len(path) == len(large.slots)
        assert all(gate_at(position, path, large) for position in large.positions)
    for arch, _ in learner.learn(toy):
        large.check(arch)
    limit = limit.within(float(limit.cost([large.sample(np.random.default_rng(0))])[0]))
    assert limit.allows(learner.finalists(3, limit)).tolist() == [True] * 3


class Seen(Toy):
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


@each
def test_learns_on_a_true_supernet_and_leaves_it_as_it_was(name, awake):
    """Only a single-level learner leaves gradients in it; a lesson makes them everywhere that it runs."""
    held, learner = Seen(), made(name, Limit.none(elastic()), budget=STEPS)
    awake(held.supernet)
    before = {key: value.clone() for key, value in held.supernet.state_dict().items()}
    for _ in range(3):
        learner.learn(held)
    assert all(torch.equal(value, before[key]) for key, value in held.supernet.state_dict().items())
    assert any(p.grad is not None for p in held.supernet.parameters()) == learner.single_level
    held.supernet.zero_grad(set_to_none=True)
    shared = learner.distribution()
    for path in learner.training_paths(0.5).paths:
        held.loss(path).backward()
    assert sum(p.grad is not None and bool(p.grad.any()) for p in held.supernet.parameters()) > 5
    assert torch.equal(learner.distribution(), shared)
    assert shared.isfinite().all()
