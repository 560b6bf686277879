"""The two-path rule of 1812.00332 against its formula."""

import copy
import math

import pytest
import torch

from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.proxyless import ProxylessGradient


def space(*choices: int) -> SearchSpace:
    """A space with that many candidates per slot; only the counts matter here."""
    return SearchSpace(
        "counts", tuple(Slot(tuple(Block("conv", 8, 8, 4, 4, 2 * i + 1) for i in range(n))) for n in choices)
    )


def strategy(*choices: int, spread: float = 1.0, seed: int = 0) -> ProxylessGradient:
    return ProxylessGradient(space(*choices), init_std=spread, seed=seed)


def test_gradient_is_the_published_formula_on_random_inputs():
    """∂L/∂α_i = Σ_j g_j p̂_j (δ_ij − p̂_i), for random g, in float64; 0 where not drawn."""
    torch.manual_seed(0)
    for seed in range(20):
        chosen = strategy(7, 6, 7, seed=seed)
        chosen.alpha = chosen.alpha.detach().double().requires_grad_()
        gates = chosen.gates()
        g = torch.randn(3, 2, dtype=torch.float64)
        loss = sum((gate.weights * row).sum() for gate, row in zip(gates, g, strict=True))
        (got,) = torch.autograd.grad(loss, chosen.alpha)
        want = torch.zeros_like(got)
        for slot, gate in enumerate(gates):
            a = [float(chosen.alpha.detach()[slot, i]) for i in gate.indices]
            p = [math.exp(x) / sum(map(math.exp, a)) for x in a]
            for i in range(2):
                want[slot, gate.indices[i]] = sum(float(g[slot, j]) * p[j] * ((i == j) - p[i]) for j in range(2))
        torch.testing.assert_close(got, want, rtol=0, atol=1e-6)


def test_gates_are_one_hot_on_the_active_candidate():
    for gate in strategy(7, 2, 3).gates():
        assert gate.weights.tolist() == pytest.approx([1, 0], abs=1e-6)
        assert len(set(gate.indices)) == 2


def test_pairs_are_drawn_without_replacement_and_the_active_one_by_p_hat():
    """P(active = i) = Σ_j P(pair {i, j}) p̂_i, in closed form for three candidates."""
    chosen = strategy(3)
    p = chosen.distribution()[0].double()
    draws, counts = 20000, torch.zeros(3, 3)
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
        chosen.step(sum((gate.weights * torch.randn(2)).sum() for gate in gates))
        after = chosen.distribution()
        for slot, gate in enumerate(gates):
            others = [i for i in range((7, 6, 4)[slot]) if i not in gate.indices]
            torch.testing.assert_close(after[slot, others], before[slot, others])
            assert (after[slot, list(gate.indices)] != before[slot, list(gate.indices)]).all()


def test_probs_are_those_behind_the_gates_and_carry_a_latency_gradient_to_a_skip():
    chosen = strategy(4, 4)
    gates = chosen.gates()
    probs = chosen.probs()
    torch.testing.assert_close(probs.sum(1), torch.ones(2))
    assert {tuple(row.nonzero()[:, 0].tolist()) for row in probs} == {tuple(sorted(gate.indices)) for gate in gates}
    cost = torch.tensor([3.0, 2.0, 1.0, 0.0])  # the last one is a skip: it costs nothing, and must still be pulled
    while all(3 not in gate.indices for gate in gates):
        gates, probs = chosen.gates(), chosen.probs()
    (gradient,) = torch.autograd.grad((probs * cost).sum(), chosen.alpha)
    slot = next(s for s, gate in enumerate(gates) if 3 in gate.indices)
    assert gradient[slot, 3] < 0


def test_a_saturated_slot_still_gives_two_different_candidates():
    chosen = strategy(3)
    with torch.no_grad():
        chosen.alpha[0] = torch.tensor([200.0, 0.0, -200.0])
    assert all(len(set(chosen.gates()[0].indices)) == 2 for _ in range(50))
    assert chosen.path() == (0,)


def test_state_goes_on_exactly():
    one, two = strategy(5, 3), strategy(5, 3, seed=9)

    def advance(chosen: ProxylessGradient) -> None:
        chosen.step(sum((gate.weights * torch.tensor([0.3, -0.2])).sum() for gate in chosen.gates()))

    for _ in range(5):
        advance(one)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    for _ in range(5):
        advance(one)
        advance(two)
        assert one.path() == two.path()
    assert torch.equal(one.alpha, two.alpha)


def test_a_slot_without_a_choice_is_refused():
    with pytest.raises(ValueError, match="one candidate"):
        strategy(3, 1)


def test_the_default_rate_covers_the_published_way_in_any_number_of_steps():
    assert ProxylessGradient(space(2)).optimizer.param_groups[0]["lr"] == pytest.approx(1e-3)
    assert ProxylessGradient(space(2), steps=1200).optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    assert ProxylessGradient(space(2), steps=1200, lr=0.5).optimizer.param_groups[0]["lr"] == 0.5
