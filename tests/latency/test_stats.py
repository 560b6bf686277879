"""Estimates from synthetic noise whose truth is known."""

import numpy as np
import pytest

from hwnas.devices.base import DeviceState
from hwnas.latency.samples import Samples
from hwnas.latency.stats import (
    MIN_QUIET,
    QUIET,
    estimate,
    is_quiet,
    quantile_interval,
    reference_estimate,
    reference_uncertainty,
)


def visits(rng, truth, drift, repeats=5):
    """A visit for each value of `drift`, which slows the reference (1 ms) as much; one run in 20 stalls."""
    found = []
    for slow in drift:
        stall = np.where(rng.random(repeats) < 0.05, 3, 1)
        found.append((truth * slow * stall * (1 + 0.01 * rng.exponential(size=repeats)), 1e-3 * slow))
    return found


def test_both_clocks_are_told():
    slow = [(np.array([2.4e-3, 2.2e-3, 2.6e-3]), 2e-3)] * 20  # a reference of 1 ms in the table takes 2 now
    found = estimate(slow, quiet_seconds=2e-3, scale_seconds=1e-3)
    assert found.both_clocks() == "1.1000 ms (1.1000 to 1.1000) at the table's pace; today, at 2.18 of it, 2.4000 ms"


def test_drift_cancels_in_the_ratio():
    rng = np.random.default_rng(0)
    drift = 1 + 0.05 * np.sin(np.linspace(0, 9, 60))
    found = estimate(visits(rng, 2e-3, drift), 1e-3, 1e-3)
    assert found.ms == pytest.approx(2, rel=0.005)
    assert found.minimum < 0.98 * 2, "the raw figures are what the clock said"
    assert found.p99 > 1.2 * 2
    assert found.rounds == 60


def test_outliers_are_the_share_that_does_not_count():
    rng = np.random.default_rng(0)
    found = estimate(visits(rng, 2e-3, np.repeat([1, 1.5], (30, 10))), 1e-3, 1e-3)
    assert found.outliers == 0.25
    assert reference_estimate([1.0] * 30 + [1.01 * QUIET] * 10).outliers == 0.25


def test_slow_spells_do_not_count():
    """In a spell the reference slows to 1.34 times, the model to 1.16: their ratio there is wrong by 13 %."""
    rng = np.random.default_rng(1)
    quiet = visits(rng, 2e-3, np.ones(20))
    spell = [(seconds * 1.16, beside * 1.34) for seconds, beside in visits(rng, 2e-3, np.ones(40))]
    assert estimate(quiet + spell, 1e-3, 1e-3).ms == pytest.approx(2, rel=0.005)
    assert not any(is_quiet(visit, 1e-3) for visit in spell)


def test_without_quiet_the_quietest_have_to_do():
    rng = np.random.default_rng(2)
    slow, slower = visits(rng, 2e-3, np.full(MIN_QUIET, 1.2)), visits(rng, 4e-3, np.full(50, 1.5))
    assert estimate(slow + slower, 1e-3, 1e-3).ms == pytest.approx(2, rel=0.005)


def test_two_sessions_agree_where_plain_medians_do_not():
    rng = np.random.default_rng(3)
    fast, slow = (estimate(visits(rng, 2e-3, np.full(50, x)), x * 1e-3, 1e-3) for x in (1, 1.1))
    assert abs(slow.p50 / fast.p50 - 1) > 0.08
    assert abs(slow.ms / fast.ms - 1) < 0.01


def test_the_reference_time_is_a_factor():
    found = visits(np.random.default_rng(4), 1e-3, np.ones(20))
    once, twice = estimate(found, 1e-3, 1e-3), estimate(found, 1e-3, 2e-3)
    assert twice.ms == pytest.approx(2 * once.ms)
    assert twice.precision == pytest.approx(once.precision)
    assert twice.p50 == once.p50


@pytest.mark.parametrize(("q", "size"), [(0.5, 13), (0.5, 40), (0.5, 101), (0.1, 61), (0.1, 200)])
def test_intervals_are_those_of_the_bootstrap(q, size):
    """Where the quantile is one of the values. Between two, the interval is wider, by the next value at most."""
    rng = np.random.default_rng(size)
    values = np.sort(rng.exponential(size=size))
    drawn = np.quantile(values[rng.integers(0, size, (20_000, size))], q, axis=1)
    expected = np.quantile(drawn, (0.025, 0.975), method="inverted_cdf")
    found, low, high = quantile_interval(values, q)
    assert found == np.quantile(values, q)
    if (q * (size - 1)).is_integer():
        assert (low, high) == tuple(expected)
    else:
        ends = np.searchsorted(values, (low, *expected, high))
        assert 0 <= ends[1] - ends[0] <= 1
        assert 0 <= ends[3] - ends[2] <= 1


@pytest.mark.parametrize(("q", "size"), [(0.5, 6), (0.5, 12), (0.5, 25), (0.1, 200)])
def test_intervals_hold_the_truth_as_often_as_promised(q, size):
    rng = np.random.default_rng(3)
    truth = np.log(1 / (1 - q))  # of the exponential distribution
    held = [
        low <= truth <= high for _, low, high in (quantile_interval(rng.exponential(size=size), q) for _ in range(2000))
    ]
    assert 0.92 < np.mean(held) < 0.999


def test_intervals_get_narrower():
    rng = np.random.default_rng(4)
    widths = [np.diff(quantile_interval(rng.normal(size=size))[1:])[0] for size in (10, 100, 1000)]
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_one_value_is_its_own_interval():
    assert quantile_interval([2.0]) == (2, 2, 2)


def test_the_uncertainty_of_the_reference_time_is_that_between_sessions():
    """Sessions have clocks that wander; their intervals hold the reference time of all of them together."""
    rng = np.random.default_rng(6)
    wander = np.zeros((200, 400))
    for step in range(1, 400):
        wander[:, step] = 0.9 * wander[:, step - 1] + 0.003 * rng.normal(size=200)
    seconds = np.exp(wander) * (1 + 0.01 * rng.exponential(size=wander.shape))
    truth = np.quantile(seconds, 0.1)
    found = [reference_estimate(session) for session in seconds]
    assert np.mean([estimate.low <= 1e3 * truth <= estimate.high for estimate in found]) > 0.87
    assert 0.002 < np.median([estimate.precision for estimate in found]) < 0.05
    shuffled = np.median([reference_uncertainty(rng.permutation(session)) for session in seconds])
    assert np.median([reference_uncertainty(session) for session in seconds]) >= 2 * shuffled, "neighbours are alike"
    assert reference_uncertainty([1.0] * 100) == 0


def test_an_own_reference_time_widens_the_interval():
    samples = Samples(reference=list(1 + 0.02 * np.sin(np.arange(100) / 10)), elapsed=60)
    rng = np.random.default_rng(7)
    samples.visits["a"] = [(np.array([2 + 0.01 * rng.random()]), 1.0) for _ in range(30)]
    (own,), (exact,) = (samples.estimates(["a"], at).values() for at in (None, samples.reference_seconds))
    uncertainty = reference_uncertainty(samples.reference)
    assert own.ms == exact.ms
    assert np.log(own.high / own.ms) ** 2 == pytest.approx(np.log(exact.high / exact.ms) ** 2 + uncertainty**2)
    assert np.log(own.low / own.ms) ** 2 == pytest.approx(np.log(exact.low / exact.ms) ** 2 + uncertainty**2)
    assert own.precision > 0.01 > exact.precision
    assert samples.pending(["a"], 0.01) == [], "more visits to a model would not tell the reference time"


def test_samples_survive_json():
    samples = Samples(reference=[0.1, 1 / 3, 0.2, 0.3], elapsed=2.5, readings=[(0, DeviceState(mhz=1 / 3))])
    samples.visits["a"].append((np.array([0.1, 1 / 7]), 1 / 3))
    again = Samples.from_json(samples.to_json())
    assert again.estimates(["a"]) == samples.estimates(["a"])
    assert again.readings == samples.readings
    assert again.to_json() == samples.to_json()


def test_what_is_pending():
    samples = Samples(reference=[1.0] * 20, elapsed=60)
    rng = np.random.default_rng(5)
    samples.visits["exact"] = [(np.array([2.0]), 1.0)] * MIN_QUIET
    samples.visits["noisy"] = [(np.array([2.0 + rng.random()]), 1.0) for _ in range(MIN_QUIET)]
    samples.visits["few"] = [(np.array([2.0]), 1.0)] * (MIN_QUIET - 1)
    samples.visits["never quiet"] = [(np.array([2.0]), 1.3)] * 20
    assert set(samples.pending(samples.visits, 0.01)) == {"noisy", "few", "never quiet"}
    assert samples.pending(["exact"], 0.01) == []


def test_an_earlier_reference_time_is_used_until_the_session_is_long_enough():
    """A session that begins in a slow spell waits for it to pass; one on a slower clock does not wait forever."""
    samples = Samples(reference=[1.3] * 20)
    samples.visits["a"] = [(np.array([2.0]), 1.3)] * 20
    assert samples.pending(["a"], 0.01, at=1.0) == ["a"]
    samples.elapsed = 60
    assert samples.pending(["a"], 0.01, at=1.0) == []


def test_halves_are_of_the_quiet_visits():
    """The figures that every other visit and the rest would have given; a slow spell is in neither."""
    samples = Samples(reference=[1.0] * 20)
    quiet = [(np.array([seconds]), 1.0) for seconds in (2.0, 3.0) * 10]
    samples.visits["a"] = [*quiet[:9], *[(np.array([9.0]), 1.3)] * 5, *quiet[9:]]
    assert samples.split_half_ms("a") == (2000, 3000)
    samples.visits["never quiet"] = [(np.array([2.6]), 1.3), (np.array([3.9]), 1.3)]
    assert samples.split_half_ms("never quiet") == pytest.approx((2000, 3000))
