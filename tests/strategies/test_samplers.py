"""What makes each black-box sampler that method: its rule, against a formula or a listing of everything."""

from collections import Counter

import numpy as np
import pytest
from toys import Linear, build, elastic, every, limited, make, run, space

from hwnas.space import registry
from hwnas.strategies.limit import Limit
from hwnas.strategies.samplers.coarse_to_fine import CoarseToFine, skeletons
from hwnas.strategies.samplers.evolution import RegularisedEvolution
from hwnas.strategies.samplers.generational import Generational
from hwnas.strategies.samplers.local_search import LocalSearch
from hwnas.strategies.samplers.nsga2 import Nsga2, crowding, fronts
from hwnas.strategies.samplers.variation import (
    mutate,
    mutate_one_slot,
    resample,
    two_point_crossover,
    uniform_crossover,
)

TOY = space(4, 3, 5, 2, 4)
FREE = Limit.none(TOY)


def distance(one, other):
    return sum(a != b for a, b in zip(one, other, strict=True))


def near(counts, want, draws):
    """Whether drawn frequencies are those wanted, by four standard deviations."""
    return all(abs(counts[key] / draws - p) < 4 * (p * (1 - p) / draws) ** 0.5 + 1e-9 for key, p in want.items())


def test_one_slot_changes_to_any_other_option_alike():
    rng, toy = np.random.default_rng(0), space(2, 1, 3)
    counts = Counter(mutate_one_slot((0, 0, 1), toy, rng) for _ in range(6000))
    assert near(counts, {(1, 0, 1): 1 / 2, (0, 0, 0): 1 / 4, (0, 0, 2): 1 / 4}, 6000)
    assert sum(counts.values()) == sum(counts[key] for key in [(1, 0, 1), (0, 0, 0), (0, 0, 2)])
    assert mutate_one_slot((0,), space(1), rng) == (0,)


@pytest.mark.parametrize(("vary", "moves"), [(mutate, 0.3), (resample, 0.3 * 2 / 3)])
def test_mutations_change_every_slot_by_their_probability(vary, moves):
    rng, toy = np.random.default_rng(0), space(3, 3, 3)
    counts = Counter(vary((0, 1, 2), 0.3, toy, rng) for _ in range(6000))
    changes = {arch: distance(arch, (0, 1, 2)) for arch in every(toy)}
    assert near(counts, {arch: (moves / 2) ** n * (1 - moves) ** (3 - n) for arch, n in changes.items()}, 6000)


def test_crossovers_take_each_slot_from_one_of_the_parents():
    rng = np.random.default_rng(0)
    ones, twos = (1, 1, 1, 1), (2, 2, 2, 2)
    assert near(
        Counter(uniform_crossover(ones, twos, rng) for _ in range(6000)),
        {tuple(1 + i for i in bits): 1 / 16 for bits in every(space(2, 2, 2, 2))},
        6000,
    )
    drawn = Counter(two_point_crossover(ones, twos, rng) for _ in range(5000))
    assert near(drawn, {(1, 2, 2, 1): 2 / 25, (2, 2, 2, 2): 2 / 25, (1, 1, 1, 1): 5 / 25}, 5000)
    assert (2, 1, 2, 1) not in drawn  # between the two points is one piece


def test_the_parent_wins_a_tournament_with_replacement_and_the_dead_have_no_children():
    """The i-th worst of P is the best of S drawn with probability (i/P)^S − ((i−1)/P)^S."""
    sampler = make(RegularisedEvolution, Limit.none(space(9, 9, 9)), seed=0, budget=9, population=4, sample=3)
    told = [(8, 8, 8), (0, 0, 0), (2, 2, 2), (4, 4, 4), (6, 6, 6)]
    for arch, score in zip(told, (1.0, 0.2, 0.1, 0.4, 0.3), strict=True):
        sampler.add(arch, score)
    parents = Counter(Counter(sampler.propose()).most_common(1)[0] for _ in range(4000))
    assert {count for _, count in parents} == {2}  # of the three slots one was changed
    chance = [(i / 4) ** 3 - ((i - 1) / 4) ** 3 for i in (1, 2, 3, 4)]
    assert near(parents, dict(zip([(2, 2), (0, 2), (6, 2), (4, 2)], chance, strict=True)), 4000)
    assert (8, 2) not in parents


def test_local_search_evaluates_all_neighbours_and_goes_to_the_best_until_none_is_better():
    score = Linear(TOY)
    sampler = make(LocalSearch, FREE, seed=1, budget=0)
    (at,) = run(sampler, score.score, 1)
    while True:
        around = set(TOY.neighbours(at)) - set(sampler.scores)
        assert set(run(sampler, score.score, len(around))) == around
        best = max(TOY.neighbours(at), key=score.score)
        if score.score(best) < score.score(at):
            break
        at = best
    assert score.score(at) == max(map(score.score, every(TOY)))
    assert distance(sampler.propose(), at) > 1  # another start


def test_local_search_can_go_on_from_the_first_that_is_better():
    score = Linear(TOY)
    sampler = make(LocalSearch, FREE, seed=1, budget=0, full=False)
    (at,) = run(sampler, score.score, 1)
    while score.score(at) < max(map(score.score, every(TOY))):
        (arch,) = run(sampler, score.score, 1)
        assert distance(arch, at) == 1
        at = max(at, arch, key=score.score)


def test_local_search_follows_a_limit_by_pairs_of_changes():
    """Where the options may add up to 6, all of what costs 6 has only cheaper neighbours, but others beside it."""
    toy = space(5, 5, 5)
    limit = Limit(toy, lambda archs: np.sum(np.array(archs), axis=1), high=6)
    around = make(LocalSearch, limit, seed=0, budget=0)._neighbourhood((2, 2, 2))
    assert set(limit.neighbours((2, 2, 2))) <= set(around)
    pairs = [arch for arch in around if distance(arch, (2, 2, 2)) == 2]
    assert len(pairs) == 6  # two options of each slot lead outside
    assert len(pairs) + 6 == len(around) == len(set(around))
    assert limit.allows(around).all()


def test_fronts_are_those_of_the_definition():
    costs = np.random.default_rng(0).integers(0, 6, (40, 2)).astype(float)
    found, left, front = fronts(costs), set(range(40)), 0
    while left:
        dominated = {i for i in left for j in left if (costs[j] <= costs[i]).all() and (costs[j] < costs[i]).any()}
        assert {i for i in range(40) if found[i] == front} == left - dominated
        left, front = dominated, front + 1


def test_crowding_is_the_perimeter_of_the_nearest_two():
    costs = np.array([[0.0, 10.0], [4.0, 0.0], [1.0, 6.0], [3.0, 2.0]])
    assert crowding(costs).tolist() == pytest.approx([np.inf, np.inf, 3 / 4 + 8 / 10, 3 / 4 + 6 / 10])
    assert crowding(np.zeros((3, 2))).tolist() == [np.inf, 0, np.inf]


def test_nsga2_keeps_the_whole_front():
    score, limit = Linear(TOY), limited(TOY, "free")
    sampler = make(Nsga2, limit, seed=0, budget=400, population=30)
    run(sampler, score.score, 400)
    archs = every(TOY)
    front = fronts(np.stack([-score.cost(archs), limit.cost(archs)], axis=1))
    best = {arch for arch, index in zip(archs, front, strict=True) if index == 0}
    assert len(best) > 8
    assert best <= set(sampler.parents)


def test_nsga2_prefers_lower_fronts_and_then_the_ends_and_the_less_crowded():
    toy = space(20, 20)
    cost = {(0, 9): 0.0, (1, 8): 1.0, (2, 7): 1.1, (3, 6): 5.0, (9, 9): 6.0}
    sampler = make(Nsga2, Limit(toy, lambda archs: np.array([cost[arch] for arch in archs])), seed=0, budget=0)
    sampler.population = 4
    sampler.scores = {(0, 9): 0.0, (1, 8): 1.0, (2, 7): 1.1, (3, 6): 5.0, (9, 9): 4.0}
    assert sampler._fittest([*cost, (3, 6)]) == [(0, 9), (3, 6), (2, 7), (1, 8)]


def test_a_generation_is_of_mutations_and_crossovers_of_the_best_of_all():
    limit = Limit.none(space(*[9] * 12))
    score = Linear(limit.space)
    sampler = make(Generational, limit, seed=0, budget=1000, mutated=0.4, crossed=0.4)
    run(sampler, score.score, 50)
    for _ in range(3):
        told = sorted(sampler.scores, key=score.score)[:-11:-1]
        assert sampler.parents == told
        asked = run(sampler, score.score, 50)
        nearest = [min(distance(arch, parent) for parent in told) for arch in asked]
        options = [{parent[slot] for parent in told} for slot in range(12)]
        inherited = [all(i in row for i, row in zip(arch, options, strict=True)) for arch in asked]
        assert np.mean(nearest[:20]) < 3  # 12 slots · 0.1 · 8/9, given that any changed
        assert all(inherited[20:40])
        assert max(nearest[20:40]) > 3
        assert min(nearest[40:]) > 3  # these are random


def test_constants_are_the_published_ones_where_the_budget_allows_it():
    evolution = make(RegularisedEvolution, FREE, seed=0, budget=20000)
    assert (evolution.population, evolution.sample) == (100, 25)
    spos, ofa = (build(name, FREE, budget=budget) for name, budget in (("spos", 1000), ("ofa", 50000)))
    assert (spos.population, spos.breeding, spos.mutations, spos.crossovers, spos.probability) == (50, 10, 25, 25, 0.1)
    assert (ofa.population, ofa.breeding, ofa.mutations, ofa.crossovers, ofa.probability) == (100, 25, 50, 50, 0.1)
    nsga2 = make(Nsga2, FREE, seed=0, budget=1200)
    assert (nsga2.population, nsga2.offspring, nsga2.crossover) == (40, 40, 0.9)


def test_a_small_budget_has_small_generations_unless_they_are_given():
    assert make(RegularisedEvolution, FREE, seed=0, budget=100).population == 20
    assert (build("spos", FREE, budget=100).population, build("spos", FREE, budget=100, population=50).population) == (
        10,
        50,
    )
    assert make(Nsga2, FREE, seed=0, budget=100).population == 20
    assert make(Nsga2, FREE, seed=0, budget=100, population=40, offspring=40).offspring == 40


def test_skeletons_have_one_option_for_each_kind_of_choice():
    found = skeletons(elastic())  # width, kernel, depth, kernel
    assert found == [(w, k, d, k) for w in range(2) for k in range(3) for d in range(2)]
    assert len(skeletons(registry.get("mobilenetv3"))) == 2 * 5 * 3 * 3 * 3
    assert skeletons(space(3, 2)) == [(0, 0), (1, 1), (2, 1)]


def test_mutations_of_the_best_follow_the_skeletons():
    limit, score = limited(elastic(), "hard"), Linear(elastic())
    sampler = make(CoarseToFine, limit, seed=0, budget=100)
    coarse = limit.filter(skeletons(limit.space))
    assert set(run(sampler, score.score, len(coarse))) == set(coarse)
    best = sampler.best()
    fine = [sampler.propose() for _ in range(50)]
    assert not set(fine) & set(coarse)
    assert np.mean([distance(arch, best) for arch in fine]) < 2


def test_no_more_than_half_of_the_budget_goes_to_skeletons():
    sampler = make(CoarseToFine, Limit.none(elastic()), seed=0, budget=10)
    asked = run(sampler, Linear(elastic()).score, 10)
    assert len(set(asked[:5]) & set(skeletons(elastic()))) == 5
    assert not set(asked[5:]) & set(asked[:5])
    assert distance(asked[5], max(asked[:5], key=Linear(elastic()).score)) < 4


def test_skeletons_are_mended_where_none_is_within_the_limit():
    toy = space(3, 3)
    limit = Limit(toy, lambda archs: np.array([abs(a - b) for a, b in archs], float), high=9.0, low=1.0)
    assert not limit.filter(skeletons(toy))
    asked = run(make(CoarseToFine, limit, seed=0, budget=10), Linear(toy).score, 4)
    assert limit.allows(asked).all()
