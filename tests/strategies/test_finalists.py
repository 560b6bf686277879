"""Finalists against listing everything: the best-first search, and the draws where costs do not add up."""

import itertools

import numpy as np
import pytest
from toys import Linear, elastic, every, limited, space

from hwnas.space import registry
from hwnas.strategies.limit import Limit
from hwnas.strategies.most_probable import most_probable_within
from hwnas.strategies.most_probable.best_first import by_probability


def most_probable(probs, costs, budget, count, floor=-np.inf):
    return list(itertools.islice(by_probability(probs, costs, budget, floor), count))


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


def broad(space, seed):
    """Probabilities (slots, widest slot), each slot broad or narrow, 0 beyond narrow slots."""
    rng = np.random.default_rng(seed)
    probs = np.zeros((len(space.choices), max(space.choices)))
    for row, n in zip(probs, space.choices, strict=True):
        row[:n] = rng.dirichlet(np.full(n, rng.choice([0.5, 1, 10])))
    return probs


def listed(probs, limit):
    """All architectures within `limit`, the most probable first."""
    return sorted(limit.filter(every(limit.space)), key=lambda arch: -np.prod(probs[np.arange(len(arch)), arch]))


@pytest.mark.parametrize("allowed", ["free", "hard", "band"])
@pytest.mark.parametrize("seed", range(5))
def test_the_most_probable_within_a_limit_are_those_of_a_list(allowed, seed):
    limit = limited(space(4, 3, 5, 2, 4), allowed)
    probs = broad(limit.space, seed)
    assert most_probable_within(probs, limit, 9) == listed(probs, limit)[:9]


@pytest.mark.parametrize("allowed", ["free", "hard", "band"])
@pytest.mark.parametrize("seed", range(5))
def test_so_they_are_where_choices_are_shared(allowed, seed):
    limit = limited(elastic(), allowed)
    probs = broad(limit.space, seed)
    assert most_probable_within(probs, limit, 9) == listed(probs, limit)[:9]


@pytest.mark.parametrize("seed", range(5))
def test_costs_that_do_not_add_up_are_not_taken_for_sums(seed):
    """Where the slots cost for themselves and each other, the limit is met, and the best are found by draws."""
    toy = space(4, 3, 5, 2, 4)
    alone, probs = Linear(toy, seed=7), broad(toy, seed)
    limit = Limit(toy, lambda archs: alone.cost(archs) ** 2 + [0.3 * (arch[0] != arch[2]) for arch in archs])
    limit = limit.within(float(np.quantile(limit.cost(every(toy)), 0.2)))
    assert most_probable_within(probs, limit, 9) == listed(probs, limit)[:9]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("seed", range(3))
def test_draws_find_what_is_exact_in_a_narrow_band_of_a_large_elastic_space(share, seed):
    """Where costs happen to add up, which no draw knows; at the ends of the range too, which few draws reach."""
    large = registry.get("mobilenetv3-32")
    cost, probs = Linear(large, seed=1), broad(large, seed)
    rows = [row[:n] / len(large.choices) for row, n in zip(cost.values, large.choices, strict=True)]
    chances = [row[:n] for row, n in zip(probs, large.choices, strict=True)]
    low, high = (sum(pick(row) for row in rows) for pick in (np.min, np.max))
    limit = Limit(large, cost.cost).within(low + (share + 0.01) * (high - low), low + (share - 0.01) * (high - low))
    exact = most_probable(chances, rows, limit.high, 16, limit.low)
    found = most_probable_within(probs, limit, 16)
    assert exact
    assert found == exact == most_probable_within(probs, limit, 16)


def test_nothing_is_found_within_a_limit_that_allows_nothing():
    for toy in (space(4, 3), elastic()):
        assert most_probable_within(broad(toy, 0), Limit(toy, Linear(toy).cost, -1.0), 4) == []
