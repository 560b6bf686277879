"""BANANAS: its encoding, its acquisition and its ensemble, each against what it is said to be."""

import numpy as np
import pytest
from toys import Linear, make, space

from hwnas.strategies.limit import Limit
from hwnas.strategies.samplers.bananas import NETWORKS, Bananas, paths, thompson
from hwnas.strategies.samplers.ensemble import Ensemble, Shape
from hwnas.testing import refused


def test_pieces_of_a_chain():
    """Slots of 2, 3 and 2 options: 7 pieces of one slot, 6 + 6 of two, 12 of all three."""
    found = paths([(1, 2, 0), (0, 0, 1)], (2, 3, 2), length=3)
    assert found.shape == (2, 7 + 12 + 12)
    assert found[0].nonzero()[0].tolist() == [1, 2 + 2, 5 + 0, 7 + 3 * 1 + 2, 13 + 2 * 2 + 0, 19 + (1 * 3 + 2) * 2 + 0]
    assert found[1].nonzero()[0].tolist() == [0, 2 + 0, 5 + 1, 7 + 0, 13 + 1, 19 + 1]
    assert (paths([(1, 2, 0)], (2, 3, 2), length=1) == found[:1, :7]).all()
    assert paths([(1, 2, 0)], (2, 3, 2), length=9).shape == (1, 31)


def test_a_draw_has_the_mean_and_the_sample_deviation_of_the_members():
    predicted = np.array([[0.0, 5.0], [1.0, 5.0], [5.0, 5.0]])
    rng = np.random.default_rng(0)
    drawn = np.array([thompson(predicted, rng) for _ in range(20000)])
    assert drawn[:, 0].mean() == pytest.approx(2.0, abs=0.06)
    assert drawn[:, 0].std() == pytest.approx(7**0.5, rel=0.02)  # (4 + 1 + 9) / 2
    assert (drawn[:, 1] == 5).all()


def test_draws_of_two_architectures_are_independent():
    rng = np.random.default_rng(0)
    drawn = np.array([thompson(np.array([[0.0, 0.0], [1.0, 1.0]]), rng) for _ in range(5000)])
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.05


def test_the_ensemble_learns_pairs_of_slots_and_its_members_differ():
    """On half of 4^3 architectures whose score is in whether neighbouring slots agree."""
    rng = np.random.default_rng(0)
    archs = rng.permutation([(a, b, c) for a in range(4) for b in range(4) for c in range(4)])
    scores = 70 + 10.0 * (archs[:, 0] == archs[:, 1]) - 5.0 * (archs[:, 1] == archs[:, 2])
    x = paths(archs, (4, 4, 4), 2)
    predicted = Ensemble(NETWORKS, x[:40], scores[:40], seed=0).predict(x)
    assert predicted.shape == (5, 64)
    assert np.corrcoef(predicted.mean(0)[40:], scores[40:])[0, 1] > 0.6
    assert (predicted.std(0)[40:] > 1e-3).all()
    again, other = (Ensemble(NETWORKS, x[:40], scores[:40], seed).predict(x) for seed in (0, 1))
    assert (predicted == again).all()
    assert not np.allclose(predicted, other)


@pytest.mark.parametrize("count", [3, 11])
def test_a_member_with_folds_never_sees_its_own_share(count):
    ensemble = Ensemble(Shape(1, 4, 0.01, folds=True, epochs=3), np.eye(count), np.arange(count), seed=0)
    seen = [set(rows) for rows in ensemble._order(count).tolist()]
    if count < 5:
        assert all(rows == set(range(count)) for rows in seen)
    else:
        assert all(rows & set(range(member, count, 5)) == set() for member, rows in enumerate(seen))
        assert set.union(*seen) == set(range(count))


def test_scores_that_are_all_equal_are_predicted():
    x = paths([(0, 1), (1, 1), (1, 0)], (2, 2), 2)
    assert np.allclose(Ensemble(NETWORKS, x, np.full(3, 0.7), seed=0).predict(x), 0.7, atol=1e-4)


def test_plans_random_ones_first_and_then_mutants_of_the_best():
    toy = space(*(6,) * 12)
    score, sampler = Linear(toy).score, make(Bananas, Limit.none(toy), seed=0, budget=100, parents=1)
    proposals = sampler.ask(10)
    first = [proposal.arch for proposal in proposals]
    assert len(set(first)) == 10 == len(sampler.queue)
    for proposal in proposals:
        sampler.tell(proposal.id, score(proposal.arch))
    best = max(first, key=score)
    sampler.ask()
    changed = [sum(one != other for one, other in zip(arch, best, strict=True)) for arch in sampler.queue]
    assert len(changed) == 10
    assert min(changed) >= 1
    assert max(changed) <= 7  # two random ones differ in 10 of 12


def test_a_batch_is_a_tenth_of_all_once_that_is_more():
    toy = space(*(6,) * 12)
    sampler, rng = make(Bananas, Limit.none(toy), seed=0, budget=1000), np.random.default_rng(1)
    while len(sampler.scores) < 250:
        arch = toy.sample(rng)
        sampler.add(arch, Linear(toy).score(arch))
    sampler.ask()
    assert len(sampler.queue) == 25


def test_too_long_pieces_are_refused():
    with refused("constants.out-of-range", name="length", value=4):
        make(Bananas, Limit.none(space(2, 2)), seed=0, budget=9, length=4)


def test_without_a_score_candidates_are_random():
    sampler = make(Bananas, Limit.none(space(*(6,) * 12)), candidates=7)
    found = sampler._mutants()
    assert len(set(found)) == 7
    assert all(len(arch) == 12 for arch in found)
