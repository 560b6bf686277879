"""Estimates from synthetic noise whose truth is known."""

import numpy as np
import pytest

from hwnas.latency.samples import Samples
from hwnas.latency.stats import estimate, quantile_interval


def visits(rng, truth, drift, repeats=5):
    """A visit for each value of `drift`, which slows the reference (1 ms) as much; one run in 20 stalls."""
    found = []
    for slow in drift:
        stall = np.where(rng.random(repeats) < 0.05, 3, 1)
        found.append((truth * slow * stall * (1 + 0.01 * rng.exponential(size=repeats)), 1e-3 * slow))
    return found


def test_drift_cancels_in_the_ratio():
    rng = np.random.default_rng(0)
    drift = 1 + 0.3 * np.sin(np.linspace(0, 9, 60))
    found = estimate(visits(rng, 2e-3, drift), 1e-3)
    assert found.ms == pytest.approx(2, rel=0.01)
    assert found.minimum < 0.8 * 2, "the raw figures are what the clock said"
    assert found.p99 > 1.2 * 2
    assert found.rounds == 60


def test_two_sessions_agree_where_plain_medians_do_not():
    rng = np.random.default_rng(1)
    quiet, busy = np.ones(50), np.full(50, 1.1)
    first, second = estimate(visits(rng, 2e-3, quiet), 1e-3), estimate(visits(rng, 2e-3, busy), 1e-3)
    assert abs(second.p50 / first.p50 - 1) > 0.08
    assert abs(second.ms / first.ms - 1) < 0.01


def test_the_pace_is_a_factor():
    found = visits(np.random.default_rng(2), 1e-3, np.ones(20))
    once, twice = estimate(found, 1e-3), estimate(found, 2e-3)
    assert twice.ms == pytest.approx(2 * once.ms)
    assert twice.precision == pytest.approx(once.precision)
    assert twice.p50 == once.p50


@pytest.mark.parametrize(("q", "size"), [(0.5, 6), (0.5, 25), (0.1, 200)])
def test_intervals_hold_the_truth_as_often_as_promised(q, size):
    rng = np.random.default_rng(3)
    truth = np.log(1 / (1 - q))  # of the exponential distribution
    held = [
        low <= truth <= high for _, low, high in (quantile_interval(rng.exponential(size=size), q) for _ in range(2000))
    ]
    assert 0.94 < np.mean(held) < 0.999


def test_intervals_get_narrower():
    rng = np.random.default_rng(4)
    widths = [np.diff(quantile_interval(rng.normal(size=size))[1:])[0] for size in (10, 100, 1000)]
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_one_value_is_its_own_interval():
    assert quantile_interval([2.0]) == (2, 2, 2)


def test_drift_is_noticed():
    samples = Samples(reference=[1.0] * 50 + [1.2] * 50)
    assert samples.drift == pytest.approx(0.2)
    assert samples.pace == 1.0


def test_samples_survive_json():
    samples = Samples(reference=[0.1, 1 / 3], elapsed=2.5)
    samples.visits["a"].append((np.array([0.1, 1 / 7]), 1 / 3))
    again = Samples.from_json(samples.to_json())
    assert again.estimates(["a"]) == samples.estimates(["a"])
    assert again.to_json() == samples.to_json()
