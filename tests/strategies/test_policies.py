"""What all policies do with scores and with shared weights."""

import math

import pytest
import torch
from toys import Linear, ToyStep, ask, build, elastic, every, limited, optimum, run, space

from hwnas.nn.state import load_state, save_state
from hwnas.space import registry
from hwnas.strategies.limit import Limit
from hwnas.strategies.methods import METHODS
from hwnas.strategies.policies.baseline import Baseline
from hwnas.strategies.policies.scaling import LearningRateScaling

POLICIES = [name for name, method in METHODS.items() if method.kind == "policy"]
TOYS = {"independent": space(4, 3, 2), "elastic": elastic()}
each = pytest.mark.parametrize("name", POLICIES)


def test_the_baseline_is_a_debiased_moving_average_with_the_batch_in_it():
    baseline, rewards = Baseline(0.95), [[0.5, 0.7], [0.1], [0.9, 0.2, 0.4]]
    weights = [0.05 * 0.95**2, 0.05 * 0.95, 0.05]
    for seen in range(1, 4):
        found = baseline.advantages(torch.tensor(rewards[seen - 1], dtype=torch.float64))
        means = [sum(batch) / len(batch) for batch in rewards[:seen]]
        part = weights[3 - seen :]
        want = sum(w * mean for w, mean in zip(part, means, strict=True)) / sum(part)
        assert sum(part) == pytest.approx(1 - 0.95**seen)
        assert baseline.value == pytest.approx(want)
        assert found.tolist() == pytest.approx([reward - want for reward in rewards[seen - 1]])


def test_the_learning_rate_goes_as_far_in_fewer_steps_but_not_too_fast():
    scaling = LearningRateScaling(lr=1e-3, updates=1000, batch=8, most=0.05)
    assert [scaling.rate_for(n) for n in (5000, 1000, 100, 20, 1)] == pytest.approx([1e-3, 1e-3, 0.01, 0.05, 0.05])
    assert [scaling.batch_for(n) for n in (1, 39, 100, 160, 5000)] == [1, 1, 5, 8, 8]


@each
def test_a_policy_learns_from_shared_weights_and_ends_near_the_best(name):
    toy = TOYS["independent"]
    policy, held = build(name, Limit.none(toy), budget=150), ToyStep(Linear(toy))
    first, seen = policy.distribution(), []
    for step in range(150):
        held.progress = step / 150
        seen += policy.learn(held)
    assert len(seen) == 150 * policy.batch
    assert all(score == pytest.approx(held.reward(arch)) for arch, score in seen)
    assert not policy.observations
    worth = Linear(toy).values
    assert float((policy.distribution() * torch.tensor(worth)).sum()) < 0.6 * float((first * torch.tensor(worth)).sum())
    assert held.reward(policy.best()) > 0.95


@each
@pytest.mark.parametrize("kind", TOYS)
def test_finalists_of_shared_weights_are_the_most_probable_within_the_limit(name, kind):
    toy = TOYS[kind]
    policy = build(name, Limit.none(toy), lr=0.1)
    held = ToyStep(Linear(toy))
    held.progress = 0.5
    for _ in range(12):
        policy.learn(held)
    probs = dict(zip(every(toy), policy.log_probs(torch.tensor(every(toy))).sum(1).tolist(), strict=True))
    limit = Limit(toy, Linear(toy, seed=7).cost).within(float(Linear(toy, seed=7).values.sum() / len(toy.choices)) / 3)
    allowed = sorted(limit.filter(every(toy)), key=lambda arch: -probs[arch])
    assert 3 < len(allowed) < toy.size
    found = policy.finalists(3, limit)
    assert [probs[arch] for arch in found] == pytest.approx([probs[arch] for arch in allowed[:3]], abs=1e-5)
    assert policy.best() == policy.finalists(1, policy.limit)[0]


@each
def test_finalists_are_the_best_told_before_the_most_probable(name):
    policy = build(name, Limit.none(TOYS["independent"]))
    policy.add((0, 0, 0), 0.1)
    policy.add((1, 1, 1), 0.9)
    assert policy.finalists(2, policy.limit) == [(1, 1, 1), (0, 0, 0)]
    found = policy.finalists(5, policy.limit)
    assert found[:2] == [(1, 1, 1), (0, 0, 0)]
    assert len(set(found)) == 5
    assert policy.best() == (1, 1, 1)


@each
def test_a_learner_that_is_saved_and_loaded_goes_on_as_it_would_have(name, tmp_path):
    limit, held = limited(elastic(), "hard"), ToyStep(Linear(elastic()))
    one, other = (build(name, limit, seed=seed, budget=20) for seed in (0, 9))
    for _ in range(3):
        one.training_paths(0.1)
        one.learn(held)
    save_state(tmp_path / "state", one.state_dict())
    other.load_state_dict(load_state(tmp_path / "state"))
    assert other.baseline.weight == one.baseline.weight > 0
    assert other.baseline.value == one.baseline.value != 0
    for _ in range(4):
        drawn = [[gate.indices for gate in policy.training_paths(0.1).paths[0]] for policy in (one, other)]
        assert drawn[0] == drawn[1]
        assert one.learn(held) == other.learn(held)
    assert torch.equal(one.distribution(), other.distribution())


@each
def test_looking_changes_nothing(name):
    policy, same = (build(name, Limit.none(elastic())) for _ in range(2))
    policy.distribution(), policy.finalists(3, policy.limit), policy.best()
    assert ask(policy, 5) == ask(same, 5)


@each
def test_the_policy_is_updated_once_a_batch_is_told(name):
    policy = build(name, Limit.none(TOYS["independent"]), batch=3)
    first = policy.distribution()
    for told in range(1, 7):
        before = policy.distribution()
        policy.add((told % 4, 0, 0), told / 10)
        assert torch.equal(policy.distribution(), before) == (told % 3 > 0)
    assert not torch.equal(policy.distribution(), first)


def test_enas_adds_the_entropy_to_the_reward():
    policy = build("enas", Limit.none(TOYS["independent"]), entropy=0.5, init=1e-9)
    archs = torch.tensor([[0, 1, 0], [3, 2, 1]])
    found = policy.score(archs, torch.tensor([0.25, 0.5], dtype=torch.float64))
    assert found.tolist() == pytest.approx([0.25 + 0.5 * math.log(24), 0.5 + 0.5 * math.log(24)], abs=1e-5)


@pytest.mark.parametrize("allowed", ["free", "hard"])
@each
def test_what_a_policy_asks_for_gets_better(name, allowed):
    """Of 480 architectures, by 120 scores: the last ones are better than the first."""
    toy = space(4, 3, 5, 2, 4)
    limit, score = limited(toy, allowed), Linear(toy)
    early, late = [], []
    for seed in range(3):
        policy = build(name, limit, seed=seed, budget=120)
        for number in range(120):
            (arch,) = run(policy, score.score, 1)
            if number < 30 or number >= 90:
                (early if number < 30 else late).append(score.score(arch) / optimum(score, limit))
    assert sum(late) / len(late) > sum(early) / len(early) + 0.05


def test_published_constants_are_the_defaults():
    """At the published budgets nothing is scaled; the LSTMs are as large as theirs."""
    toy, found = Limit.none(registry.get("nas-bench-macro")), {}
    for name in POLICIES:
        policy = build(name, toy, budget=10**6)
        found[name] = policy.scaling.rate_for(10**6), policy.batch, policy.baseline.decay
    assert found["nas-rl"] == (6e-4, 8, 0.95)
    assert found["enas"] == (3.5e-4, 20, 0.99)
    assert found["mnasnet"] == (3.5e-4, 20, 0.95)
    assert found["tunas"] == (4.8e-3, 8, 0.95)
    assert found["proxyless-r"] == (1e-3, 10, 0.01)
    lstms = [build(name, toy).model.lstm for name in ("nas-rl", "enas", "mnasnet")]
    assert [(lstm.num_layers, lstm.hidden_size) for lstm in lstms] == [(2, 35), (1, 100), (1, 100)]
    assert build("proxyless-r", toy).optimizer.param_groups[0]["betas"] == (0.0, 0.999)


def test_nothing_is_probable_within_a_limit_that_nothing_meets():
    policy = build(POLICIES[0], limited(elastic(), "free"))
    assert len(policy.probable(2, policy.limit)) == 2
    assert policy.probable(2, policy.limit.within(-1e9)) == []
