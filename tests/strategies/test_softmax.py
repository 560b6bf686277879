"""What relaxations have in common: slots whose options cannot be mixed, the rate of α, and the choice at the end."""

from functools import partial

import pytest
import torch
from tables import Table, build, mean_gradient, one_step
from toys import Linear, every, limited, make, space

from hwnas.strategies.limit import Limit
from hwnas.strategies.relaxations.darts import Darts
from hwnas.strategies.relaxations.dsnas import Dsnas
from hwnas.strategies.relaxations.proxyless import ProxylessGradient
from hwnas.strategies.relaxations.softmax import BASELINE_DECAY, scaled_rate
from hwnas.testing import refused


@pytest.mark.parametrize("kind", [Darts, Dsnas, partial(ProxylessGradient, paths="all")])
@pytest.mark.parametrize("shapes", [(1,), (0, 2), (0, 1, 2)])
def test_slots_that_change_shapes_follow_the_gradient_of_the_expected_loss(kind, shapes):
    """The other slots do too: the loss is linear in each."""
    chosen = build(kind, shapes=shapes)
    torch.testing.assert_close(mean_gradient(chosen, Table()), Table().gradient(chosen.alpha))


def test_one_step_is_the_advantage_times_the_gradient_of_log_p():
    chosen, table = build(Darts, shapes=(0, 1, 2)), Table()
    first = float(table.loss(chosen.gates()))
    assert torch.equal(one_step(build(Darts, shapes=(0, 1, 2)), table), torch.zeros(3, 3, dtype=torch.float64))
    chosen.baseline = first - 0.25
    gates = chosen.gates()
    value = float(table.loss(gates))
    (found,) = torch.autograd.grad(chosen.with_policy_gradient(table.loss(gates)), chosen.alpha)
    drawn = torch.nn.functional.one_hot(torch.tensor([gate.indices[0] for gate in gates]), 3)
    want = (value - first + 0.25) * (drawn - chosen.distribution())
    torch.testing.assert_close(found, want.where(chosen.present, 0.0))
    assert chosen.baseline == pytest.approx(BASELINE_DECAY * (first - 0.25) + (1 - BASELINE_DECAY) * value)


@pytest.mark.parametrize("kind", [Darts, ProxylessGradient])
def test_the_credit_changes_no_value_and_follows_the_slope_of_what_the_loss_goes_through(kind):
    """As in an objective that multiplies: ∂J/∂L · (L − b)·∇log p."""
    found = []
    for slope in (1.0, 3.0):
        chosen, table = build(kind, shapes=(0,)), Table()
        chosen.baseline = 1.0
        loss = table.loss(chosen.gates())
        credited = chosen.with_policy_gradient(loss)
        assert float(credited.detach()) == pytest.approx(float(loss.detach()), abs=1e-12)
        found.append(torch.autograd.grad(slope * credited, chosen.alpha)[0])
    torch.testing.assert_close(found[1], 3 * found[0])
    assert found[0][0].abs().max() > 1e-3


def test_latency_pulls_slots_that_change_shapes_by_p():
    chosen = build(Darts, shapes=(1,))
    chosen.gates()
    cost = torch.tensor([[1.0, 2.0, 3.0], [5.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    (found,) = torch.autograd.grad((chosen.gate_probs * cost).sum(), chosen.alpha)
    p = chosen.distribution()
    torch.testing.assert_close(found, p * (cost - (p * cost).sum(1, keepdim=True)))


def test_rates_go_as_far_in_fewer_steps_and_are_as_published_in_more():
    assert scaled_rate(0.0, 1e-3, 1000, 100) == pytest.approx(1e-2)
    assert scaled_rate(0.0, 1e-3, 1000, 1000) == scaled_rate(0.0, 1e-3, 1000, 10**6) == 1e-3
    assert scaled_rate(0.2, 1e-3, 1000, 10) == 0.2
    with refused("strategies.budget", budget=0):
        scaled_rate(0.0, 1e-3, 1000, 0)


@pytest.mark.parametrize(("name", "value"), [("init_std", -1.0), ("weight_decay", -1.0), ("order", 3), ("lr", -0.1)])
def test_constants_out_of_range_are_refused(name, value):
    with refused("constants.out-of-range", name=name, value=value):
        build(Darts, **{name: value})


def test_the_choice_is_the_most_probable_within_the_limit():
    toy = space(4, 3, 5, 2, 4)
    for allowed in ("free", "hard", "band"):
        limit = limited(toy, allowed)
        chosen = make(Darts, limit, seed=0, budget=10, init_std=1.0)
        p = chosen.distribution()
        ordered = sorted(limit.filter(every(toy)), key=lambda arch: -float(p[range(5), arch].log().sum()))
        assert chosen.finalists(7, limit) == ordered[:7]
        assert chosen.best() == ordered[0]


def test_a_limit_that_no_architecture_meets_is_said():
    toy = space(4, 3)
    with refused("limit.no-architecture", space="toy", high=-1.0):
        make(Darts, Limit(toy, Linear(toy).cost, -1.0), seed=0, budget=10).best()
