"""The steered multiplier against a search that is nothing but latency, noise and a preference."""

import pytest
import torch

from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.objective import SteeredLatency
from hwnas.strategies.proxyless import ProxylessGradient


@pytest.mark.parametrize("preference", [-0.5, 0.0, 0.5], ids=["for fast", "none", "for slow"])
@pytest.mark.parametrize(("share", "lr"), [(0.15, 0.17), (0.35, 0.1), (0.5, 0.04), (0.65, 0.1), (0.85, 0.17)])
def test_expected_latency_ends_at_the_target(share, lr, preference):
    """Whatever the loss itself prefers: E within 3 % of T at the end of 700 steps, at five targets over the range."""
    torch.manual_seed(0)
    space = SearchSpace("s", (Slot(tuple(Block("conv", 8, 8, 4, 4, 2 * i + 1) for i in range(7))),) * 9)
    costs = torch.rand(9, 7) + 0.1
    low, high = costs.min(1).values.sum(), costs.max(1).values.sum()
    strategy = ProxylessGradient(space, lr=lr)
    objective = SteeredLatency(float(low + share * (high - low)))
    for _ in range(700):
        gates = strategy.gates()
        noise = sum((gate.weights * 0.05 * torch.randn(2)).sum() for gate in gates)
        liking = -preference * (strategy.probs() * costs).sum() / high
        strategy.step(noise + liking + objective.loss((strategy.probs() * costs).sum()))
        objective.steer(float((strategy.distribution() * costs).sum()))
    assert float((strategy.distribution() * costs).sum()) == pytest.approx(objective.target_ms, rel=0.03)


def test_loss_is_lambda_times_the_relative_excess_and_steers_both_ways():
    objective = SteeredLatency(2.0, proportional=3.0, integral=1.0)
    assert float(objective.loss(torch.tensor(5.0))) == 0
    objective.steer(3.0)
    assert objective.multiplier == pytest.approx((3 + 1) * 0.5)
    assert float(objective.loss(torch.tensor(2.5))) == pytest.approx(2.0 * 0.25)
    objective.steer(1.0)
    assert objective.multiplier == pytest.approx(3 * -0.5 + 0)


def test_state_goes_on():
    one, two = SteeredLatency(2.0), SteeredLatency(2.0)
    one.steer(2.5)
    two.load_state_dict(one.state_dict())
    assert two == one
