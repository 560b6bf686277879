"""The best-first search against listing everything."""

import itertools

import numpy as np
import pytest

from hwnas.strategies.finalists import most_probable


@pytest.mark.parametrize("seed", range(60))
def test_equals_sorting_all_architectures(seed):
    rng = np.random.default_rng(seed)
    probs = [rng.dirichlet(np.full(rng.integers(2, 5), rng.choice([0.1, 1, 10]))) for _ in range(5)]
    costs = [rng.random(len(row)) for row in probs]
    every = [
        (sum(np.log(max(row[i], 1e-30)) for row, i in zip(probs, arch, strict=True)),
         sum(row[i] for row, i in zip(costs, arch, strict=True)), arch)
        for arch in itertools.product(*(range(len(row)) for row in probs))
    ]  # fmt: skip
    fastest, slowest = min(cost for _, cost, _ in every), max(cost for _, cost, _ in every)
    floor, budget = sorted(rng.uniform(fastest, slowest, 2))
    ordered = [(cost, arch) for _, cost, arch in sorted(every, reverse=True) if cost <= budget]
    assert most_probable(probs, costs, budget, 7) == [arch for _, arch in ordered][:7]
    assert most_probable(probs, costs, budget, 7, floor) == [arch for cost, arch in ordered if cost >= floor][:7]


@pytest.mark.parametrize("spread", [0.0, 1e-6, 1e-3, 1.0])
def test_is_quick_on_a_space_too_large_to_list_however_flat(spread):
    rng = np.random.default_rng(0)
    rows = np.exp(spread * rng.standard_normal((21, 7)))
    costs = list(rng.random((21, 7)))
    probs = list(rows / rows.sum(1, keepdims=True))
    fastest, slowest = sum(row.min() for row in costs), sum(row.max() for row in costs)
    for floor, budget in ((-np.inf, fastest + 2), (fastest + 2, fastest + 2.2), (slowest - 2.2, slowest - 2)):
        found = most_probable(probs, costs, budget, 16, floor)
        assert len(set(found)) == 16
        assert all(floor <= sum(row[i] for row, i in zip(costs, arch, strict=True)) <= budget for arch in found)


def test_nothing_fits_a_budget_under_the_cheapest():
    assert most_probable([np.array([0.5, 0.5])], [np.array([1.0, 2.0])], 9.0, 16, floor=2.1) == []
    assert most_probable([np.array([0.5, 0.5])], [np.array([1.0, 2.0])], 0.9, 16) == []


def test_a_budget_of_exactly_the_cheapest_is_met_however_it_was_added_up():
    rng = np.random.default_rng(0)
    for _ in range(50):
        costs = list(rng.random((9, 7)))
        for budget in (sum(row.min() for row in costs), sum(row.min() for row in costs[::-1])):
            assert most_probable([np.full(7, 1 / 7)] * 9, costs, budget, 1) == [tuple(row.argmin() for row in costs)]
