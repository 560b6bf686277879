"""Rewards and losses against their formulas; the Lagrangian multiplier against a search of nothing but latency."""

from math import inf, log, nan

import pytest
import torch
from toys import make

from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.limit import Limit
from hwnas.strategies.objectives import LOSSES, REWARDS, Lagrangian, loss, reward
from hwnas.strategies.relaxations.proxyless import ProxylessGradient
from hwnas.testing import LossContract, RewardContract, refused


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
    given = reward(name, constants)
    assert (given(0.6, 2.0, 4.0), given(0.6, 8.0, 4.0)) == pytest.approx((under, over))


@pytest.mark.parametrize("name", REWARDS)
def test_at_the_target_itself_every_reward_is_the_accuracy(name):
    assert reward(name)(0.6, 4.0, 4.0) == pytest.approx(0.6)


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
    given = loss(name, constants)
    found = given.loss(cross_entropy, ms, 0.002)
    gradients = torch.autograd.grad(found, (cross_entropy, ms), allow_unused=name == "none")
    assert float(found.detach()) == pytest.approx(value)
    assert [float(0 if g is None else g) for g in gradients] == pytest.approx([by_cross_entropy, by_latency])
    given.update_multiplier(0.003, 0.002)
    given.load_state_dict(given.state_dict())
    assert float(given.loss(cross_entropy, ms, 0.002).detach()) == pytest.approx(value), "it remembers nothing"


@pytest.mark.parametrize("preference", [-0.5, 0.0, 0.5], ids=["for fast", "none", "for slow"])
@pytest.mark.parametrize(("share", "lr"), [(0.15, 0.17), (0.35, 0.1), (0.5, 0.04), (0.65, 0.1), (0.85, 0.17)])
def test_expected_latency_ends_at_the_target(share, lr, preference):
    """Whatever the loss itself prefers: E within 3 % of T at the end of 700 steps, at five targets over the range."""
    torch.manual_seed(0)
    space = SearchSpace("s", (Slot(tuple(Block("conv", 8, 8, 4, 4, 2 * i + 1) for i in range(7))),) * 9)
    costs = torch.rand(9, 7) + 0.1
    low, high = costs.min(1).values.sum(), costs.max(1).values.sum()
    strategy = make(ProxylessGradient, Limit.none(space), seed=0, budget=700, lr=lr)
    objective, target = loss("lagrangian"), float(low + share * (high - low))
    for _ in range(700):
        gates = strategy.gates()
        noise = sum((gate.weights * 0.05 * torch.randn(2)).sum() for gate in gates)
        expected = (strategy.gate_probs * costs).sum()
        liking = -preference * expected / high
        strategy.descend(objective.loss(noise + liking, expected, target))
        objective.update_multiplier(float((strategy.distribution() * costs).sum()), target)
    assert float((strategy.distribution() * costs).sum()) == pytest.approx(target, rel=0.03)


def test_the_multiplier_moves_by_the_relative_excess_both_ways():
    objective, cross_entropy = Lagrangian(proportional=3.0, integral=1.0), torch.tensor(0.25)
    assert float(objective.loss(cross_entropy, torch.tensor(5.0), 2.0)) == 0.25
    objective.update_multiplier(3.0, 2.0)
    assert objective.multiplier == pytest.approx((3 + 1) * 0.5)
    assert float(objective.loss(cross_entropy, torch.tensor(2.5), 2.0)) == pytest.approx(0.25 + 2.0 * 0.25)
    objective.update_multiplier(1.0, 2.0)
    assert objective.multiplier == pytest.approx(3 * -0.5 + 0)


def test_the_former_name_is_read():
    assert type(loss("steered")) is Lagrangian


class TestRewards(RewardContract):
    @pytest.fixture(autouse=True, params=REWARDS)
    def _name(self, request):
        self.reference = request.param


class TestLosses(LossContract):
    @pytest.fixture(autouse=True, params=LOSSES)
    def _name(self, request):
        self.reference = request.param


@pytest.mark.parametrize(
    ("call", "code", "fields"),
    [
        (lambda: reward("best"), "reference.unknown", {"reference": "best"}),
        (lambda: loss("tunas"), "reference.unknown", {"reference": "tunas"}),
        (lambda: reward("tunas", {"alpha": 1.0}), "constants.unknown", {"name": "alpha"}),
        (lambda: loss("none", {"weight": 1.0}), "constants.unknown", {"name": "weight"}),
        (lambda: loss("add-linear", {"weight": nan}), "constants.out-of-range", {"name": "weight"}),
        (lambda: reward("tunas").require_target(0.0), "objectives.target", {"target_ms": 0.0}),
        (lambda: loss("lagrangian").require_target(inf), "objectives.target", {"target_ms": inf}),
        (lambda: loss("mul-log").require_target(0.001), "objectives.target", {"target_ms": 0.001}),
        (lambda: loss("fbnet").loss(torch.tensor(1.0), torch.tensor(0.0009), 1.0), "objectives.latency", {}),
    ],
)
def test_what_cannot_be_an_objective_is_refused(call, code, fields):
    with refused(code, **fields):
        call()


def test_what_does_not_look_at_the_target_takes_any():
    reward("accuracy").require_target(inf)
    for name in ("none", "fbnet"):
        loss(name).require_target(inf)
        assert torch.isfinite(loss(name).loss(torch.tensor(1.0), torch.tensor(1.0), inf))


def test_a_target_of_more_than_a_microsecond_has_a_logarithm():
    loss("mul-log").require_target(0.002)
    with refused("objectives.target", target_ms=0.001):
        loss("mul-log").require_target(0.001)
