"""Rewards and losses against their formulas; the steered multiplier against a search of nothing but latency."""

from math import inf, log, nan

import pytest
import torch

from hwnas.errors import InputError
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.limit import Limit
from hwnas.strategies.objective import LOSSES, REWARDS, Steered, loss, reward
from hwnas.strategies.relaxations.proxyless import ProxylessGradient


@pytest.mark.parametrize(
    ("name", "constants", "under", "over"),
    [
        ("accuracy", {}, 0.6, 0.6),
        ("hard", {}, 0.6, -1.0),
        ("hard", {"outside": 0.0}, 0.6, 0.0),
        ("mnasnet-soft", {}, 0.6 * 2**0.07, 0.6 * 2**-0.07),
        ("mnasnet-soft", {"alpha": -0.5, "beta": -0.25}, 0.6 * 2**0.5, 0.6 * 2**-0.25),
        ("mnasnet-hard", {}, 0.6, 0.3),
        ("tunas", {}, 0.6 - 0.1 * 0.5, 0.6 - 0.1 * 1),
        ("tunas", {"beta": -0.4}, 0.6 - 0.4 * 0.5, 0.6 - 0.4 * 1),
        ("proxyless-r", {}, 0.6 * 2**0.1, 0.6 * 2**-0.1),
        ("proxyless-r", {"exponent": 1.0}, 1.2, 0.3),
    ],
)
def test_rewards_at_half_the_target_and_at_twice(name, constants, under, over):
    given = reward(name, 4.0, **constants)
    assert (given(0.6, 2.0), given(0.6, 8.0)) == pytest.approx((under, over))


@pytest.mark.parametrize("name", REWARDS)
def test_at_the_target_itself_every_reward_is_the_accuracy(name):
    assert reward(name, 4.0)(0.6, 4.0) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("name", "constants", "value", "by_cross_entropy", "by_latency"),
    [
        ("none", {}, 3.0, 1.0, 0.0),
        ("add-linear", {}, 3.0 + 0.1 * 0.5, 1.0, 0.1 / 0.002),
        ("add-linear", {"weight": 2.0}, 3.0 + 2.0 * 0.5, 1.0, 2.0 / 0.002),
        (
            "mul-log",
            {},
            3.0 * 0.2 * (log(3) / log(2)) ** 0.3,
            0.2 * (log(3) / log(2)) ** 0.3,
            3.0 * 0.2 * 0.3 * (log(3) / log(2)) ** -0.7 / log(2) / 0.003,
        ),
        ("fbnet", {}, 3.0 * 0.2 * log(3) ** 0.6, 0.2 * log(3) ** 0.6, 3.0 * 0.2 * 0.6 * log(3) ** -0.4 / 0.003),
        ("fbnet", {"alpha": 1.0, "beta": 1.0}, 3.0 * log(3), log(3), 3.0 / 0.003),
    ],
)
def test_losses_of_3_microseconds_for_a_target_of_2(name, constants, value, by_cross_entropy, by_latency):
    cross_entropy, ms = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (3.0, 0.003))
    given = loss(name, 0.002, **constants)
    found = given.loss(cross_entropy, ms)
    gradients = torch.autograd.grad(found, (cross_entropy, ms), allow_unused=name == "none")
    assert float(found.detach()) == pytest.approx(value)
    assert [float(0 if g is None else g) for g in gradients] == pytest.approx([by_cross_entropy, by_latency])
    given.steer(0.003)
    given.load_state_dict(given.state_dict())
    assert float(given.loss(cross_entropy, ms).detach()) == pytest.approx(value), "it remembers nothing"


@pytest.mark.parametrize("preference", [-0.5, 0.0, 0.5], ids=["for fast", "none", "for slow"])
@pytest.mark.parametrize(("share", "lr"), [(0.15, 0.17), (0.35, 0.1), (0.5, 0.04), (0.65, 0.1), (0.85, 0.17)])
def test_expected_latency_ends_at_the_target(share, lr, preference):
    """Whatever the loss itself prefers: E within 3 % of T at the end of 700 steps, at five targets over the range."""
    torch.manual_seed(0)
    space = SearchSpace("s", (Slot(tuple(Block("conv", 8, 8, 4, 4, 2 * i + 1) for i in range(7))),) * 9)
    costs = torch.rand(9, 7) + 0.1
    low, high = costs.min(1).values.sum(), costs.max(1).values.sum()
    strategy = ProxylessGradient(space, Limit.none(space), seed=0, budget=700, lr=lr)
    objective = loss("steered", float(low + share * (high - low)))
    for _ in range(700):
        gates = strategy.gates()
        noise = sum((gate.weights * 0.05 * torch.randn(2)).sum() for gate in gates)
        expected = (strategy.probs() * costs).sum()
        liking = -preference * expected / high
        strategy.step(objective.loss(noise + liking, expected))
        objective.steer(float((strategy.distribution() * costs).sum()))
    assert float((strategy.distribution() * costs).sum()) == pytest.approx(objective.target_ms, rel=0.03)


def test_steered_is_lambda_times_the_relative_excess_and_steers_both_ways():
    objective, cross_entropy = Steered(2.0, proportional=3.0, integral=1.0), torch.tensor(0.25)
    assert float(objective.loss(cross_entropy, torch.tensor(5.0))) == 0.25
    objective.steer(3.0)
    assert objective.multiplier == pytest.approx((3 + 1) * 0.5)
    assert float(objective.loss(cross_entropy, torch.tensor(2.5))) == pytest.approx(0.25 + 2.0 * 0.25)
    objective.steer(1.0)
    assert objective.multiplier == pytest.approx(3 * -0.5 + 0)


def test_the_state_of_a_steered_one_goes_on():
    one, two = Steered(2.0), Steered(2.0)
    for ms in (2.5, 3.0):
        one.steer(ms)
    two.load_state_dict(one.state_dict())
    assert (two.error, two.accumulated, two.multiplier) == (0.5, 0.75, one.multiplier)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: reward("best", 1.0), "no reward 'best': there are accuracy, hard, mnasnet-soft"),
        (lambda: loss("tunas", 1.0), "no loss 'tunas': there are steered, none"),
        (lambda: reward("tunas", 1.0, alpha=1.0), "the reward tunas has no constant 'alpha': it has beta"),
        (lambda: loss("none", 1.0, weight=1.0), "the loss none has no constant 'weight': it has none"),
        (lambda: loss("add-linear", 1.0, weight=nan), "weight of the loss add-linear must be a number"),
        (lambda: reward("tunas", 0.0), "target of the reward tunas must be a number of ms above 0, not 0"),
        (lambda: loss("steered", inf), "target of the loss steered"),
        (lambda: loss("mul-log", 0.001), "mul-log takes the logarithm of the target in µs"),
        (lambda: loss("fbnet", 1.0).loss(torch.tensor(1.0), torch.tensor(0.0009)), "0.0009 ms is too little"),
    ],
)
def test_what_cannot_be_an_objective_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_what_does_not_look_at_the_target_takes_any():
    assert reward("accuracy", inf)(0.5, 3.0) == 0.5
    for name in ("none", "fbnet"):
        assert torch.isfinite(loss(name, inf).loss(torch.tensor(1.0), torch.tensor(1.0)))
    assert set(LOSSES) == {"steered", "none", "add-linear", "mul-log", "fbnet"}
