"""Which architectures may be chosen, and how one is found that may."""

import numpy as np
import pytest
from toys import elastic, every, space

from hwnas.space import registry
from hwnas.strategies.limit import TRIES, Limit
from hwnas.testing import refused


def cost(archs):
    """1 for each index, and 0.1 more in the first slot."""
    return np.array([sum(arch) + 0.1 * arch[0] for arch in archs], float)


@pytest.fixture
def limit():
    return Limit(space(3, 4, 3), cost, 3.0, 2.0)


def test_both_ends_of_the_band_are_allowed(limit):
    found = limit.filter(every(limit.space))
    assert {float(cost([arch])[0]) for arch in found} == {2.0, 2.1, 2.2, 3.0}
    assert limit.allows(found).all()
    assert limit.allows([]).shape == (0,)


def test_rounding_does_not_decide():
    sums = Limit(space(2, 2), lambda archs: np.array([0.1 + 0.2 for _ in archs]), 0.3)
    assert sums.allows([(0, 0)])[0]  # 0.1 + 0.2 is over 0.3 in floats


def test_no_limit_allows_all_and_asks_for_no_cost():
    def never(archs):
        raise AssertionError

    free = Limit(space(3, 3), never)
    assert free.free
    assert free.allows(every(free.space)).all()
    assert not Limit.none(space(2, 2)).within(1.0).free


def test_neighbours_are_those_within(limit):
    arch = (0, 2, 0)
    assert limit.neighbours(arch) == [one for one in limit.space.neighbours(arch) if 2 <= cost([one])[0] <= 3]


def test_the_first_proposal_within_is_drawn(limit):
    proposals = iter([(0, 0, 0), (2, 3, 2), (0, 2, 0), (0, 3, 0)])
    assert limit.sample(np.random.default_rng(0), lambda: next(proposals)) == (0, 2, 0)


def test_proposals_that_never_fit_are_mended(limit):
    asked = []
    found = limit.sample(np.random.default_rng(0), lambda: asked.append(0) or (2, 3, 2))
    assert len(asked) == TRIES
    assert limit.allows([found])[0]


def test_what_is_mended_goes_no_further_than_to_the_band():
    """Under a limit from above alone a slot goes to any option that is fast enough, not always to the fastest."""
    limit = Limit(space(4, 4, 4), cost, 6.0)
    found = {limit.repair((3, 3, 3), np.random.default_rng(seed)) for seed in range(200)}
    assert limit.allows(list(found)).all()
    assert max(cost(list(found))) > 5
    assert len(found) > 5


@pytest.mark.parametrize("name", ["proxyless", "mobilenetv3-32", "mnasnet"])
def test_a_narrow_band_is_found_in_large_spaces(name):
    large = registry.get(name)
    limit = Limit(large, lambda archs: np.array([large.derive(arch).macs for arch in archs]) / 1e6)
    low, high = limit.cost([large.smallest, large.largest])
    for share in (0.02, 0.3, 0.9):
        aim = low + share * (high - low)
        band = limit.within(aim, 0.97 * aim)
        assert band.allows([band.sample(np.random.default_rng(0))])[0]


def test_a_band_without_architectures_is_refused_with_the_nearest(limit):
    with refused("limit.no-architecture", low=2.3, high=2.9) as refusal:
        limit.within(2.9, 2.3).sample(np.random.default_rng(0))
    assert refusal.error.fields["nearest"] in (pytest.approx(2.2), pytest.approx(3))


def test_elastic_spaces_have_limits_too():
    band = Limit(elastic(), cost, 2.0, 1.0)
    assert band.allows([band.sample(np.random.default_rng(seed)) for seed in range(20)]).all()
