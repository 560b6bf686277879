"""Figures by hand, and intervals that hold as much as they promise."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from hwnas.latency.quality import Quality, conformal, errors, noise_of


def test_errors():
    measured = np.array([1.0, 2.0, 4.0, 8.0])
    rank, rmspe, within = errors(np.array([1.0, 2.1, 4.8, 4.0]), measured)
    assert rank == pytest.approx(1 - 6 * (0 + 0 + 1 + 1) / (4 * 15))
    assert rmspe == pytest.approx(np.sqrt((0.05**2 + 0.2**2 + 0.5**2) / 4))
    assert within == 0.5
    assert errors(measured, measured) == (pytest.approx(1), 0, 1)


@pytest.mark.filterwarnings("error")
def test_what_is_always_the_same_ranks_nothing():
    different, same = np.array([1.0, 2.0, 4.0]), np.full(3, 2.0)
    assert errors(same, different)[0] == errors(different, same)[0] == 0
    assert noise_of(np.stack([same, same], axis=1)) == (0, 0)


def test_noise_and_ceiling_are_those_of_a_perfect_predictor():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.8, 1.2, 20_000)
    halves = truth[:, None] * (1 + 0.1 * rng.normal(size=(20_000, 2)))
    noise, ceiling = noise_of(halves)
    labels = halves.mean(axis=1)
    assert noise == pytest.approx(0.1 / np.sqrt(2), rel=0.03)
    assert noise == pytest.approx(np.std(labels / truth), rel=0.03)
    assert ceiling == pytest.approx(spearmanr(truth, labels).statistic, abs=0.01)


def test_noise_of_what_is_only_noise():
    halves = 1 + 0.01 * np.random.default_rng(1).normal(size=(1000, 2))
    assert noise_of(halves)[1] < 0.35
    assert noise_of(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]))[1] == 0


DISTRIBUTIONS = {
    "as expected": lambda rng, size: np.abs(rng.normal(size=size)),
    "three times as wrong": lambda rng, size: 3 * np.abs(rng.normal(size=size)),
    "heavy tails": lambda rng, size: np.abs(rng.standard_t(2, size=size)),
}


@pytest.mark.parametrize("drawn", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
@pytest.mark.parametrize("size", [20, 60, 200])
def test_intervals_hold_what_they_promise(drawn, size):
    rng = np.random.default_rng(size)
    held = [drawn(rng, 1)[0] <= conformal(drawn(rng, size), 0.9) for _ in range(4000)]
    assert 0.885 <= np.mean(held) < 0.94


def test_too_few_for_the_level():
    """An interval wider than every error that was seen; twice as wide for errors twice as large."""
    for level in (0.9, 0.99):
        found = conformal(np.array([4.0, 5.0, 6.0]), level)
        assert 6 < found < 20
        assert conformal(np.array([8.0, 10.0, 12.0]), level) == pytest.approx(2 * found)
    assert conformal(np.array([4.0, 5.0, 6.0]), 0.99) > 1.2 * conformal(np.array([4.0, 5.0, 6.0]), 0.9)


def test_few_that_happen_to_be_right_do_not_make_it_narrow():
    assert conformal(np.zeros(10), 0.9) > 1
    assert conformal(np.zeros(1000), 0.9) == 0


def test_as_text():
    text = "held-out error 3.4%, Spearman 0.980, 99% within ±10 %, of 40 networks"
    assert str(Quality(40, 0.98, 0.034, 0.99)) == text
    noisy = text.replace("3.4%", "3.4% (noise of the measurements: 1.1%)").replace("0.980", "0.980 (at best 0.995)")
    assert str(Quality(40, 0.98, 0.034, 0.99, noise=0.011, ceiling=0.995)) == noisy
