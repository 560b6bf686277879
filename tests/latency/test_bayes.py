"""The regression against textbook formulas, finite differences and data whose truth is known."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal

from hwnas.latency.bayes import LOWEST, WIDE, Scales, _Problem, _Problems, fit

SCALES = np.array([-1.0, -4.0, -3.0])
TYPICAL = np.array([-2.0, -2.0, -6.0])
SHAPES = [(6, 8), (8, 8), (30, 8)]


def made_up(rows, columns, seed=0):
    """A design, a target and the trust in its rows, and two parts of a prior: alike weights, and free ones."""
    rng = np.random.default_rng(seed)
    alike = rng.normal(size=(columns, 2))
    priors = np.stack([alike @ alike.T, np.eye(columns)])
    return rng.normal(size=(rows, columns)), 1 + rng.normal(size=rows), rng.uniform(0.2, 2, rows), priors


def problem_of(design, target, trust, priors):
    return _Problems(design, target, priors, search=True).of(trust)


def unrotated(design, target, trust, priors):
    """What `problem_of` makes where it rotates nothing, by definition."""
    scaled = design * np.sqrt(trust)[:, None]
    return _Problem(scaled, target * np.sqrt(trust), priors, scaled @ priors @ scaled.T)


def covariance(design, trust, priors):
    """Of the target, by definition."""
    return design @ np.tensordot(np.exp(SCALES[:-1]), priors, 1) @ design.T + np.diag(np.exp(SCALES[-1]) / trust)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient(shape):
    problem = problem_of(*made_up(*shape))
    expected = approx_fprime(SCALES, lambda scales: problem.loss(scales, TYPICAL)[0], 1e-6)
    np.testing.assert_allclose(problem.loss(SCALES, TYPICAL)[1], expected, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_loss_is_the_marginal_likelihood_and_the_prior(shape):
    design, target, trust, priors = made_up(*shape)
    evidence = multivariate_normal(np.zeros(shape[0]), covariance(design, trust, priors)).logpdf(target)
    before = 0.5 * np.sum(((SCALES - TYPICAL) / WIDE) ** 2)
    constant = 0.5 * shape[0] * np.log(2 * np.pi) - 0.5 * np.log(trust).sum()  # neither depends on the scales
    found, _ = problem_of(design, target, trust, priors).loss(SCALES, TYPICAL)
    assert found == pytest.approx(before - evidence - constant, rel=1e-9)


def test_more_rows_than_weights_are_rotated_and_nothing_changes():
    whole, rotated = unrotated(*made_up(50, 5)), problem_of(*made_up(50, 5))
    assert rotated.design.shape == (5, 5)
    for ours, plain in zip(rotated.loss(SCALES, TYPICAL), whole.loss(SCALES, TYPICAL), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-8)
    np.testing.assert_allclose(rotated.fitted(SCALES).mean, whole.fitted(SCALES).mean, rtol=1e-8)
    np.testing.assert_allclose(rotated.fitted(SCALES).covariance, whole.fitted(SCALES).covariance, atol=1e-12)


def test_the_kernels_of_rows_of_any_trust_are_those_of_all_rows():
    ours, plain = problem_of(*made_up(6, 8)), unrotated(*made_up(6, 8))
    np.testing.assert_allclose(ours.kernels, plain.kernels, rtol=1e-12)
    np.testing.assert_array_equal(ours.design, plain.design)


@pytest.mark.parametrize("shape", SHAPES)
def test_posterior(shape):
    design, target, trust, priors = made_up(*shape)
    precise = trust / np.exp(SCALES[-1])
    expected = np.linalg.inv(
        design.T @ (design * precise[:, None]) + np.linalg.inv(np.tensordot(np.exp(SCALES[:-1]), priors, 1))
    )
    found = problem_of(design, target, trust, priors).fitted(SCALES)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.mean, expected @ (design.T @ (precise * target)), rtol=1e-6)


def latencies(rows, noise, seed=0):
    """About 1, in a constant and 12 weights of which only the first 4 matter; and the parts that say so."""
    rng = np.random.default_rng(seed)
    design = np.insert(rng.choice([-1.0, 1.0], (rows, 12)), 0, 1.0, axis=1)
    weights = np.array([1.0, *rng.normal(0, 0.05, 4), *np.zeros(8)])
    parts = np.zeros((3, 13, 13))
    for part, first, last in zip(parts, (0, 1, 5), (1, 5, 13), strict=True):
        part[range(first, last), range(first, last)] = 1 / (last - first)
    return design, design @ weights * (1 + noise * rng.normal(size=rows)), weights, parts


@pytest.mark.parametrize("rows", [14, 200])
def test_exact_labels_are_reproduced(rows):
    design, target, weights, parts = latencies(rows, noise=0.0)
    found = fit(design, target, parts)
    np.testing.assert_allclose(design @ found.mean, target, rtol=1e-5)
    np.testing.assert_allclose(found.mean, weights, atol=1e-5)
    assert found.scales.noise == pytest.approx(LOWEST, abs=1)


def test_noise_and_scales_are_those_of_the_data():
    design, target, weights, parts = latencies(1000, noise=0.04)
    found = fit(design, target, parts)
    assert 0.03 < np.exp(found.scales.noise / 2) < 0.045, "of Student's t, whose scale is below its deviation"
    assert found.scales.parts[2] < found.scales.parts[1] - 4, "what explains nothing is shrunk away"
    deviation = np.sqrt(np.diag(found.covariance))
    assert np.abs((found.mean - weights) / deviation)[:5].max() < 3.5


def test_shrinking_makes_few_labels_do():
    """With as many labels as weights, least squares is far off."""
    design, target, weights, parts = latencies(13, noise=0.02)
    plain = np.linalg.lstsq(design, target, rcond=None)[0]
    assert np.abs(fit(design, target, parts).mean - weights).max() < 0.5 * np.abs(plain - weights).max()


def test_wrong_labels_are_forgiven():
    design, target, weights, parts = latencies(60, noise=0.01)
    target[::10] *= 1.6
    plain = np.linalg.lstsq(design, target, rcond=None)[0]
    found = fit(design, target, parts)
    assert np.abs(found.mean - weights).max() < 0.01 < 0.05 < np.abs(plain - weights).max()
    assert np.exp(found.scales.noise / 2) < 0.03


def test_the_noise_is_relative():
    """Labels of slow networks are the noisier ones, and count less."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0.1, 2.0], 200)
    design = np.stack([truth < 1, truth > 1], axis=1).astype(float)
    found = fit(design, truth * (1 + 0.03 * rng.normal(size=400)), np.eye(2)[:, :, None] * np.eye(2)[:, None])
    deviation = np.sqrt(np.diag(found.covariance))
    assert deviation[1] / deviation[0] == pytest.approx(20, rel=0.2)


def test_without_search_the_scales_stay():
    design, target, _, parts = latencies(40, noise=0.02)
    found = fit(design, target, parts)
    start = Scales(found.scales.parts - 1, found.scales.noise + 1)
    kept = fit(design, target, parts, start, search=False).scales
    assert (*kept.parts, kept.noise) == (*start.parts, start.noise)
    again = fit(design, target, parts, found.scales)
    np.testing.assert_allclose(again.mean, found.mean, atol=1e-3)
