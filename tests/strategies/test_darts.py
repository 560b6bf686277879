"""DARTS against autograd, through an unrolled step of the weights too."""

import pytest
import torch
from learning import SHORT, loop_of, small_space
from tables import CHOICES, Table, build, one_step
from torch import nn
from torch.func import functional_call
from toys import make

from hwnas.nn.ranks import Ranks
from hwnas.strategies.limit import Limit
from hwnas.strategies.relaxations.darts import Darts
from hwnas.testing import refused


class Smooth(nn.Module):
    """A candidate's output is tanh(x·w + b) of its own w and b; slots are in a row. It tells what (2,) each is."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weights = nn.Parameter(torch.randn(3, 3, 2, generator=generator, dtype=torch.float64))
        self.unused = nn.Parameter(torch.ones(2, dtype=torch.float64))

    def forward(self, x, gates):
        for row, gate in zip(self.weights, gates, strict=True):
            outputs = torch.tanh(x[:, None] * row[list(gate.indices), 0] + row[list(gate.indices), 1])
            x = outputs[:, 0] if gate.weights is None else outputs @ gate.weights
        return x


class SmoothHeld:
    """Held-out and training loss of a `Smooth` network, with a cost of 0.1·E²; `part` and `rate` as in `Held`."""

    def __init__(self, rate):
        self.supernet, self.learning_rate, self.progress = Smooth(), rate, 0.5
        generator = torch.Generator().manual_seed(1)
        self.images, self.targets = torch.randn(2, 2, 20, generator=generator, dtype=torch.float64)

    def on(self, kind, network, gates):
        return ((network(self.images[kind], gates) - self.targets[kind]) ** 2).mean()

    def loss(self, gates):
        return self.on(0, self.supernet, gates)

    def training_loss(self, gates):
        return self.on(1, self.supernet, gates)

    def with_latency(self, loss, probs):
        return loss * (1 + 0.1 * (probs * torch.arange(3.0)).sum())


def through_autograd(chosen, held):
    """∇_α of the joined validation loss after one plain step of the weights, exactly."""
    named = dict(held.supernet.named_parameters())
    gates = chosen.gates()
    slopes = torch.autograd.grad(
        held.training_loss(gates), list(named.values()), create_graph=True, materialize_grads=True
    )
    moved = {n: w - held.learning_rate * g for (n, w), g in zip(named.items(), slopes, strict=True)}
    loss = held.on(0, lambda x, gates: functional_call(held.supernet, moved, (x, gates)), gates)
    return torch.autograd.grad(held.with_latency(chosen.with_policy_gradient(loss), chosen.gate_probs), chosen.alpha)[0]


def unrolled(chosen, held):
    weights = list(held.supernet.parameters())
    return chosen.unrolled_gradient(held, weights, [w.detach().clone() for w in weights])[0]


def test_first_order_is_the_gradient_through_the_mixed_network():
    chosen = build(Darts)
    torch.testing.assert_close(one_step(chosen, Table()), Table().gradient(chosen.alpha))
    for gate, row, n in zip(chosen.gates(), chosen.distribution(), CHOICES, strict=True):
        assert (gate.indices, gate.mode) == (tuple(range(n)), "weighted")
        torch.testing.assert_close(gate.weights.detach(), row[:n])


@pytest.mark.parametrize("shapes", [(), (1,)])
def test_second_order_is_the_gradient_through_one_step_of_the_weights(shapes):
    exact = through_autograd(build(Darts, order=2, shapes=shapes), SmoothHeld(0.5))
    found = unrolled(build(Darts, order=2, shapes=shapes), SmoothHeld(0.5))
    direct = unrolled(build(Darts, order=2, shapes=shapes), SmoothHeld(0.0))
    difference = (exact - direct).norm()
    assert difference > 0.04 * direct.norm()
    assert (found - exact).norm() < 1e-3 * difference


def test_at_rate_0_second_order_is_first_order():
    first, second, still = build(Darts), build(Darts, order=2), SmoothHeld(0.0)
    loss = still.with_latency(still.loss(first.gates()), first.gate_probs)
    torch.testing.assert_close(unrolled(second, still), torch.autograd.grad(loss, first.alpha)[0])


def test_weights_are_to_the_bit_as_they_were_also_where_a_step_fails():
    held, chosen = SmoothHeld(0.5), build(Darts, order=2)
    chosen.optimizer = torch.optim.Adam([chosen.alpha], lr=0.1)
    before, alpha = held.supernet.weights.detach().clone(), chosen.alpha.detach().clone()
    chosen.learn(held)
    assert torch.equal(held.supernet.weights, before)
    assert not torch.equal(chosen.alpha, alpha)
    assert held.supernet.weights.grad is None
    held.with_latency = None
    with pytest.raises(TypeError):
        chosen.learn(held)
    assert torch.equal(held.supernet.weights, before)


def test_the_finite_difference_is_as_long_as_published():
    """‖w⁺ − w‖ = 0.01, on both sides."""
    held, chosen = SmoothHeld(0.5), build(Darts, order=2)
    start, seen, training_loss = held.supernet.weights.detach().clone(), [], held.training_loss

    def watched(gates):
        seen.append(held.supernet.weights.detach().clone())
        return training_loss(gates)

    held.training_loss = watched
    unrolled(chosen, held)
    first, plus, minus = (weights - start for weights in seen)
    assert torch.equal(first, torch.zeros_like(first))
    torch.testing.assert_close(plus, -minus)
    assert float(plus.norm()) == pytest.approx(0.01)


def test_a_lesson_is_the_mixed_network_and_no_gradient_reaches_the_architecture():
    chosen = build(Darts)
    (path,) = chosen.training_paths(0.3).paths
    for gate, row, n in zip(path, chosen.distribution(), CHOICES, strict=True):
        assert not gate.weights.requires_grad
        torch.testing.assert_close(gate.weights, row[:n])


def test_the_second_order_is_refused_on_several_ranks():
    first, second = (make(Darts, Limit.none(small_space()), seed=0, budget=8, order=n) for n in (1, 2))
    loop_of(SHORT, learner=first, ranks=Ranks(0, 2))
    loop_of(SHORT, learner=second)
    with refused("strategies.single-process", ranks=2):
        loop_of(SHORT, learner=second, ranks=Ranks(0, 2))
