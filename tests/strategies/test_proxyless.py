"""The rules of 1812.00332 for two paths and for all of them, against their formulas."""

import math

import pytest
import torch
from tables import Table, build, forced, mean_gradient
from toys import make, space

from hwnas.strategies.limit import Limit
from hwnas.strategies.relaxations.proxyless import ProxylessGradient
from hwnas.testing import refused

each = pytest.mark.parametrize("paths", ["two", "all"])


def strategy(*choices: int, spread: float = 1.0, seed: int = 0, **constants) -> ProxylessGradient:
    toy = space(*choices)
    return make(ProxylessGradient, Limit.none(toy), seed=seed, **{"budget": 120_000, "init_std": spread, **constants})


@each
def test_gradient_is_the_published_formula_on_random_inputs(paths):
    """∂L/∂α_i = Σ_j g_j p̂_j (δ_ij − p̂_i), for random g, in float64; 0 where not drawn."""
    torch.manual_seed(0)
    for seed in range(20):
        chosen = strategy(7, 6, 7, seed=seed, paths=paths)
        chosen.alpha = chosen.alpha.detach().double().requires_grad_()
        gates = chosen.gates()
        g = torch.randn(3, 7, dtype=torch.float64)
        loss = sum((gate.weights * row[: len(gate.indices)]).sum() for gate, row in zip(gates, g, strict=True))
        (got,) = torch.autograd.grad(loss, chosen.alpha)
        want = torch.zeros_like(got)
        for slot, gate in enumerate(gates):
            a = [float(chosen.alpha.detach()[slot, i]) for i in gate.indices]
            p = [math.exp(x) / sum(map(math.exp, a)) for x in a]
            for i, index in enumerate(gate.indices):
                want[slot, index] = sum(float(g[slot, j]) * p[j] * ((i == j) - p[i]) for j in range(len(p)))
        torch.testing.assert_close(got, want, rtol=0, atol=1e-6)


@each
def test_gates_are_one_hot_on_the_active_candidate(paths):
    chosen = strategy(7, 2, 3, paths=paths)
    for gate, n in zip(chosen.gates(), (7, 2, 3), strict=True):
        count = n if paths == "all" else 2
        assert gate.weights.tolist() == pytest.approx([1] + [0] * (count - 1), abs=1e-6)
        assert len(set(gate.indices)) == count
        assert set(gate.indices) <= set(range(n))
        assert (gate.mode, gate.recompute) == ("binary", paths == "all")


def test_with_all_paths_the_mean_gradient_is_that_of_the_expected_loss():
    chosen = build(ProxylessGradient, paths="all")
    for _ in forced(chosen):
        assert [gate.indices[0] for gate in chosen.gates()] == chosen.sampled.tolist()
    torch.testing.assert_close(mean_gradient(chosen, Table()), Table().gradient(chosen.alpha))


def test_of_slots_of_two_the_mean_gradient_of_two_paths_is_that_of_the_expected_loss():
    chosen = build(ProxylessGradient, choices=(2, 2, 2))
    chosen._pairs = lambda logits: (torch.stack([chosen.sampled, 1 - chosen.sampled], 1), torch.full((3,), 2))
    table = Table((2, 2, 2))
    torch.testing.assert_close(mean_gradient(chosen, table), table.gradient(chosen.alpha))


def test_pairs_are_drawn_without_replacement_and_the_active_one_by_p_hat():
    """P(active = i) = Σ_j P(pair {i, j}) p̂_i, in closed form for three candidates."""
    chosen = strategy(3)
    p = chosen.distribution()[0].double()
    draws, counts = 4000, torch.zeros(3, 3)
    for _ in range(draws):
        (gate,) = chosen.gates()
        counts[gate.indices] += 1
    want = torch.zeros(3, 3, dtype=torch.float64)
    for i in range(3):
        for j in range(3):
            if i != j:
                pair = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
                want[i, j] = pair * p[i] / (p[i] + p[j])
    assert ((counts / draws - want).abs() < 4 * (want / draws).sqrt() + 1e-3).all()


def test_a_step_keeps_the_probability_of_every_candidate_not_drawn():
    chosen = strategy(7, 6, 4)
    chosen.optimizer.param_groups[0]["lr"] = 0.5
    for _ in range(20):
        before = chosen.distribution()
        gates = chosen.gates()
        chosen.descend(sum((gate.weights * torch.randn(2)).sum() for gate in gates))
        after = chosen.distribution()
        for slot, gate in enumerate(gates):
            others = [i for i in range((7, 6, 4)[slot]) if i not in gate.indices]
            torch.testing.assert_close(after[slot, others], before[slot, others])
            assert (after[slot, list(gate.indices)] != before[slot, list(gate.indices)]).all()


def test_probs_are_those_behind_the_gates_and_carry_a_latency_gradient_to_a_skip():
    chosen = strategy(4, 4)
    gates = chosen.gates()
    probs = chosen.gate_probs
    torch.testing.assert_close(probs.sum(1), torch.ones(2))
    assert {tuple(row.nonzero()[:, 0].tolist()) for row in probs} == {tuple(sorted(gate.indices)) for gate in gates}
    cost = torch.tensor([3.0, 2.0, 1.0, 0.0])  # the last one is a skip: it costs nothing, and must still be pulled
    while all(3 not in gate.indices for gate in gates):
        gates, probs = chosen.gates(), chosen.gate_probs
    (gradient,) = torch.autograd.grad((probs * cost).sum(), chosen.alpha)
    slot = next(s for s, gate in enumerate(gates) if 3 in gate.indices)
    assert gradient[slot, 3] < 0


def test_a_saturated_slot_still_gives_two_different_candidates():
    chosen = strategy(3)
    with torch.no_grad():
        chosen.alpha[0] = torch.tensor([200.0, 0.0, -200.0])
    assert all(len(set(chosen.gates()[0].indices)) == 2 for _ in range(50))
    assert chosen.sample_path() == (0,)


def test_with_all_paths_probs_are_p_and_a_step_is_that_of_adam_alone():
    chosen = strategy(4, 3, paths="all", lr=0.5)
    gates = chosen.gates()
    torch.testing.assert_close(chosen.gate_probs.detach(), chosen.distribution())
    before, slopes = chosen.alpha.detach().clone(), torch.tensor([1.0, -2.0, 3.0, 0.5])
    chosen.descend(sum((gate.weights * slopes[: len(gate.indices)]).sum() for gate in gates))
    moved = (chosen.alpha.detach() - before)[chosen.present]
    torch.testing.assert_close(moved.abs(), torch.full((7,), 0.5))


def test_the_default_rate_covers_the_published_way_in_any_number_of_steps():
    for given, want in (({}, 1e-3), ({"budget": 1200}, 0.1), ({"budget": 1200, "lr": 0.5}, 0.5)):
        assert strategy(2, **given).optimizer.param_groups[0]["lr"] == pytest.approx(want)
    assert strategy(2, budget=10**6).optimizer.param_groups[0]["lr"] == pytest.approx(1e-3)


@pytest.mark.parametrize(("name", "value"), [("paths", "three"), ("lr", -1.0)])
def test_constants_out_of_range_are_refused(name, value):
    with refused("constants.out-of-range", name=name, value=value):
        strategy(3, **{name: value})
