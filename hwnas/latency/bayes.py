"""Bayesian linear regression with a prior that is a sum of parts, and noise that is robust to wrong labels.

y = Φ w + ε with w ~ N(0, Σ_g s_g P_g): each part P_g says which weights are likely to be alike, as if w were linear in
one group of features of it. The scales s_g and the noise are where the marginal likelihood is highest (MacKay, Neural
Computation 4(3), 1992), found with its exact gradient, so that a part which explains nothing is shrunk away, and forty
labels can be fitted with hundreds of weights.

The noise is relative to y, and of Student's t: each label has a weight, its trust, which is computed again and again
from its residual, so that a label from a disturbed moment counts little (West, Journal of the Royal Statistical Society
B 46(3), 1984).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

FREEDOM = 4.0
"""Degrees of freedom of Student's t: a residual of 5 standard deviations still counts for a sixth."""

ROUNDS, CONVERGED = 8, 0.02
"""Times at most that the trust in the labels is computed again, and a change of it that ends this."""

TYPICAL, WIDE = np.log(0.02**2), 4.0
"""A priori a part explains a variance of (2 % of y)², give or take a factor of e⁴ in that variance."""

NOISE, LOWEST, HIGHEST = np.log(0.03**2), np.log(1e-11), np.log(1.0)
"""Log of the variance of the noise relative to y: a priori (`WIDE` as well), at least (the last decimals of a label)
and at most."""


@dataclass(frozen=True)
class Scales:
    """Log of the scale of each part of the prior, and log variance of the noise relative to y."""

    parts: np.ndarray
    noise: float


@dataclass(frozen=True)
class Fitted:
    """The posterior of the weights: `mean` (weights,) and `covariance` (weights, weights)."""

    scales: Scales
    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class _Problem:
    """Labels `target` of the rows of `design`, scaled so that the noise of each is that of trust 1.

    With more rows than columns it is rotated onto as many rows as columns (QR); `spare` rows of squared length `rest`
    remain, which no weight can explain.
    """

    design: np.ndarray
    target: np.ndarray
    priors: np.ndarray
    kernels: np.ndarray
    """Φ P_g Φᵀ of each part, (parts, rows, rows); none where no scales are searched."""
    spare: int = 0
    rest: float = 0.0

    def solve(self, covariance: np.ndarray, noise: float) -> tuple[tuple[np.ndarray, bool], np.ndarray]:
        """A Cholesky factor of the covariance C of the target, which is `covariance` and the noise, and C⁻¹ target."""
        rounding = 1e-15 * np.trace(covariance)  # keeps it positive definite where the labels are exact
        covariance[np.diag_indices_from(covariance)] += noise + rounding
        factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
        return factor, cho_solve(factor, self.target, check_finite=False)

    def loss(self, scales: np.ndarray, typical: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log marginal likelihood and the log prior of the scales around `typical`, and its gradient."""
        noise = np.exp(scales[-1])
        factor, alpha = self.solve(np.tensordot(np.exp(scales[:-1]), self.kernels, 1), noise)
        inverse = cho_solve(factor, np.eye(len(self.target)), check_finite=False)
        away = (scales - typical) / WIDE
        loss = 0.5 * (self.target @ alpha + self.rest / noise + self.spare * scales[-1] + away @ away)
        loss += np.log(np.diag(factor[0])).sum()
        slopes = 0.5 * np.exp(scales[:-1]) * np.tensordot(self.kernels, inverse - np.outer(alpha, alpha), 2)
        noisy = 0.5 * (noise * (np.trace(inverse) - alpha @ alpha) + self.spare - self.rest / noise)
        return float(loss), np.append(slopes, noisy) + away / WIDE

    def fitted(self, scales: np.ndarray) -> Fitted:
        """The posterior of the weights under `scales`."""
        prior = np.tensordot(np.exp(scales[:-1]), self.priors, 1)
        seen = self.design @ prior
        factor, alpha = self.solve(seen @ self.design.T, np.exp(scales[-1]))
        covariance = prior - seen.T @ cho_solve(factor, seen, check_finite=False)
        return Fitted(Scales(scales[:-1], float(scales[-1])), seen.T @ alpha, covariance)


class _Problems:
    """The problems of one fit, which differ in the trust in each label alone.

    With as many rows as columns or fewer, the kernels are computed once: those of a problem are the same times the
    weights of two rows.
    """

    def __init__(self, design: np.ndarray, target: np.ndarray, priors: np.ndarray, search: bool) -> None:
        self.design, self.target, self.priors, self.search = design, target, priors, search
        rows, columns = design.shape
        self.rotated = rows > columns
        self.kernels = design @ priors @ design.T if search and not self.rotated else np.empty(0)

    def of(self, trust: np.ndarray) -> _Problem:
        """The problem in which each label has this trust."""
        root = np.sqrt(trust)
        both = np.column_stack([self.design, self.target]) * root[:, None]
        if not self.rotated:
            kernels = self.kernels * np.outer(root, root) if self.search else self.kernels
            return _Problem(both[:, :-1], both[:, -1], self.priors, kernels)
        rows, columns = self.design.shape
        both = np.asarray(np.linalg.qr(both, mode="r"))
        design = both[:-1, :-1]
        kernels = design @ self.priors @ design.T if self.search else self.kernels
        return _Problem(design, both[:-1, -1], self.priors, kernels, rows - columns, float(both[-1, -1] ** 2))


def fit(
    design: np.ndarray,
    target: np.ndarray,
    priors: np.ndarray,
    start: Scales | None = None,
    search: bool = True,
) -> Fitted:
    """Fit `target` (N,), values above 0 and about 1, to `design` (N, weights).

    `priors` (parts, weights, weights) are the P_g; each should let y vary by about 1. The search for the scales begins
    at `start`, those of a similar fit; without `search` it also ends there.
    """
    typical = np.append(np.full(len(priors), TYPICAL), NOISE)
    scales = typical if start is None else np.append(start.parts, start.noise)
    bounds = [(-40.0, 0.0)] * (len(typical) - 1) + [(LOWEST, HIGHEST)]
    trust, level, problems = np.ones_like(target), target, _Problems(design, target, priors, search)
    for _ in range(ROUNDS):
        problem = problems.of(trust / level**2)
        if search:
            scales = minimize(problem.loss, scales, args=(typical,), jac=True, method="L-BFGS-B", bounds=bounds).x
        found = problem.fitted(scales)
        level = np.maximum(design @ found.mean, 0.5 * target.min())
        unsure = np.einsum("nw,nw->n", design @ found.covariance, design)
        squared = ((target - design @ found.mean) ** 2 + unsure) / (level**2 * np.exp(scales[-1]))
        before, trust = trust, (FREEDOM + 1) / (FREEDOM + squared)
        if np.abs(trust - before).max() < CONVERGED:
            break
    return found
