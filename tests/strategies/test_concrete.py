"""SNAS and FBNet: samples of the concrete distribution, its gradient, and how the temperature falls."""

import math

import pytest
import torch
from tables import CHOICES, Table, build, one_step

from hwnas.strategies.relaxations.fbnet import FBNet
from hwnas.strategies.relaxations.snas import Snas
from hwnas.testing import refused

each = pytest.mark.parametrize("kind", [Snas, FBNet])


def noise_of(chosen):
    """The Gumbel noise of the next `gates`, whose draws it then repeats."""
    state = chosen.generator.get_state()
    chosen.sample()
    noise = chosen.gumbel(chosen.alpha.detach())
    chosen.generator.set_state(state)
    return noise


@each
@pytest.mark.parametrize("part", [0.0, 0.4, 1.0])
def test_gates_are_the_softmax_of_log_p_and_noise_over_the_temperature(kind, part):
    chosen = build(kind)
    chosen.progress = part
    noise, tau = noise_of(chosen), chosen.temperature(part)
    for slot, (gate, n) in enumerate(zip(chosen.gates(), CHOICES, strict=True)):
        want = ((chosen.distribution().log() + noise)[slot, :n] / tau).softmax(0)
        torch.testing.assert_close(gate.weights.detach(), want)
        torch.testing.assert_close(chosen.gate_probs[slot, :n], gate.weights)
        assert (gate.indices, gate.mode) == (tuple(range(n)), "weighted")


@each
def test_the_gradient_is_the_published_formula(kind):
    """∂L/∂α_i = Σ_j ∂L/∂z_j · z_j (δ_ij − z_i) / τ (1812.09926, eq. 9, by the logarithm)."""
    chosen, table = build(kind), Table()
    noise, tau = noise_of(chosen), chosen.temperature(0.0)
    z = [
        ((chosen.alpha.detach() + noise)[slot, :n] / tau).softmax(0).requires_grad_() for slot, n in enumerate(CHOICES)
    ]
    slopes = torch.autograd.grad(torch.einsum("abc,a,b,c->", table.values, *z), z)
    found = one_step(chosen, table)
    for slot, (row, slope) in enumerate(zip(z, slopes, strict=True)):
        rule = torch.diag(row) - torch.outer(row, row)  # z_j (δ_ij − z_i)
        want = rule @ slope / tau
        torch.testing.assert_close(found[slot, : len(row)], want.detach())


@each
def test_a_cold_sample_is_one_hot_and_drawn_by_p(kind):
    chosen, draws = build(kind, temperature_start=1e-4, **({"temperature_end": 1e-4} if kind is Snas else {})), 1500
    rows = torch.stack([torch.stack([gate.weights.detach().max() for gate in chosen.gates()]) for _ in range(100)])
    assert (rows > 0.999).float().mean() > 0.99
    drawn = torch.stack([chosen.gates()[0].weights.detach() for _ in range(draws)]).mean(0)
    p = chosen.distribution()[0]
    assert ((drawn - p).abs() < 4 * (p / draws).sqrt()).all()


def test_temperatures_fall_as_published():
    snas, fbnet = build(Snas), build(FBNet)
    assert [snas.temperature(part) for part in (0, 0.5, 1)] == pytest.approx([1, 0.515, 0.03])
    assert fbnet.temperature(0) == 5
    assert fbnet.temperature(1 / 90) == pytest.approx(5 * math.exp(-0.045))
    assert fbnet.temperature(1) == pytest.approx(5 * math.exp(-0.045 * 90))


@each
def test_a_step_is_taken_at_the_temperature_of_its_time_and_lessons_go_on_at_it(kind):
    class ArchitectureStep(Table):
        progress, seen = 0.7, None

        def with_latency(self, loss, probs):
            self.seen = probs.detach()
            return loss

    chosen, held = build(kind), ArchitectureStep()
    chosen.optimizer = torch.optim.Adam([chosen.alpha], lr=0.1)
    noise = noise_of(chosen)
    want = (chosen.alpha.detach() + noise).where(chosen.present, -torch.inf) / chosen.temperature(0.7)
    chosen.learn(held)
    torch.testing.assert_close(held.seen, want.softmax(1))
    noise = noise_of(chosen)
    want = (chosen.alpha.detach() + noise).where(chosen.present, -torch.inf) / chosen.temperature(0.7)
    (path,) = chosen.training_paths(0.9).paths
    for gate, row in zip(path, want.softmax(1), strict=True):
        torch.testing.assert_close(gate.weights, row[: len(gate.indices)])
        assert not gate.weights.requires_grad


def test_noise_is_never_infinite_and_is_that_of_gumbel():
    noise = build(Snas).gumbel(torch.empty(200_000))
    assert noise.isfinite().all()
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.015)
    assert float(noise.std()) == pytest.approx(math.pi / 6**0.5, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "constants", "name"),
    [
        (Snas, {"temperature_end": 0.0}, "temperature_end"),
        (Snas, {"temperature_start": 0.01}, "temperature_end"),
        (FBNet, {"temperature_start": 0.0}, "temperature_start"),
        (FBNet, {"decay": -0.1}, "decay"),
    ],
)
def test_temperatures_out_of_range_are_refused(kind, constants, name):
    with refused("constants.out-of-range", name=name):
        build(kind, **constants)
