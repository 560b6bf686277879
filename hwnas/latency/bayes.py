"""Bayesian linear regression with one prior scale per group of features, and noise that forgives wrong labels.

y = Φ v + ε, where the weights of group g are v_g ~ N(0, s_g I). The scales and the noise are where the marginal
likelihood is highest (MacKay, Neural Computation 4(3), 1992), found with its exact gradient, so that features which
explain nothing are shrunk away, and forty labels can be fitted with hundreds of features.

The noise is relative to y, and of Student's t: each label has a weight, set again and again from its residual, so
that a label from a bad moment counts little (West, Journal of the Royal Statistical Society B 46(3), 1984).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

FREEDOM = 4.0
"""Degrees of freedom of Student's t: a residual of 5 standard deviations still counts for a sixth."""

ROUNDS, SETTLED = 8, 0.02
"""Times at most that the weights of the labels are set again, and a change of them that is not worth another."""

TYPICAL, WIDE = np.log(0.02**2), 4.0
"""A priori a group explains a variance of (2 % of y)², give or take a factor of e⁴ in that variance."""

NOISE, LOWEST, HIGHEST = np.log(0.03**2), np.log(1e-11), np.log(1.0)
"""Log of the variance of the noise relative to y: a priori (`WIDE` as well), at least (the last decimals of a label)
and at most."""


@dataclass(frozen=True)
class Scales:
    """Log prior variance of the weights of each group, and log variance of the noise relative to y."""

    groups: np.ndarray
    noise: float


@dataclass(frozen=True)
class Fitted:
    """What the labels tell of the weights: `mean` (features,) and `covariance` (features, features)."""

    scales: Scales
    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class _Problem:
    """Labels `target` of the rows of `design`, scaled so that the noise of each is that of weight 1.

    With more rows than features it is rotated onto as many rows as features (QR); `spare` rows of squared length
    `rest` remain, which no weight can explain.
    """

    design: np.ndarray
    target: np.ndarray
    groups: np.ndarray
    spare: int = 0
    rest: float = 0.0

    @staticmethod
    def of(design: np.ndarray, target: np.ndarray, weights: np.ndarray, groups: np.ndarray) -> "_Problem":
        rows, features = design.shape
        design, target = design * np.sqrt(weights)[:, None], target * np.sqrt(weights)
        if rows <= features:
            return _Problem(design, target, groups)
        rotation, triangle = np.linalg.qr(design)
        seen = rotation.T @ target
        return _Problem(triangle, seen, groups, rows - features, max(0.0, float(target @ target - seen @ seen)))

    @cached_property
    def kernels(self) -> np.ndarray:
        """Φ_g Φ_gᵀ of each group, (groups, rows, rows)."""
        parts = (self.design[:, self.groups == group] for group in range(self.groups.max() + 1))
        return np.stack([part @ part.T for part in parts])

    def solve(self, scales: np.ndarray) -> tuple[tuple[np.ndarray, bool], np.ndarray]:
        """A Cholesky factor of the covariance C of the target, and C⁻¹ target."""
        covariance = np.tensordot(np.exp(scales[:-1]), self.kernels, 1)
        rounding = 1e-15 * np.trace(covariance)  # keeps it positive definite where the labels are exact
        covariance[np.diag_indices_from(covariance)] += np.exp(scales[-1]) + rounding
        factor = cho_factor(covariance, lower=True, overwrite_a=True)
        return factor, cho_solve(factor, self.target)

    def loss(self, scales: np.ndarray, typical: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log marginal likelihood and the log prior of the scales around `typical`, and its gradient."""
        noise = np.exp(scales[-1])
        factor, alpha = self.solve(scales)
        inverse = cho_solve(factor, np.eye(len(self.target)))
        away = (scales - typical) / WIDE
        loss = 0.5 * (self.target @ alpha + self.rest / noise + self.spare * scales[-1] + away @ away)
        loss += np.log(np.diag(factor[0])).sum()
        slopes = 0.5 * np.exp(scales[:-1]) * np.tensordot(self.kernels, inverse - np.outer(alpha, alpha), 2)
        noisy = 0.5 * (noise * (np.trace(inverse) - alpha @ alpha) + self.spare - self.rest / noise)
        return float(loss), np.append(slopes, noisy) + away / WIDE

    def fitted(self, scales: np.ndarray) -> Fitted:
        """The posterior of the weights under `scales`."""
        prior = np.exp(scales[:-1])[self.groups]
        factor, alpha = self.solve(scales)
        seen = self.design * prior
        covariance = np.diag(prior) - seen.T @ cho_solve(factor, seen)
        return Fitted(Scales(scales[:-1], float(scales[-1])), seen.T @ alpha, covariance)


def fit(
    design: np.ndarray,
    target: np.ndarray,
    groups: np.ndarray,
    start: Scales | None = None,
    search: bool = True,
) -> Fitted:
    """Fit `target` (N,), values above 0 and about 1, to `design` (N, features).

    `groups` (features,) numbers the group of each feature from 0; features should have a variance of about 1. The
    search for the scales begins at `start`, those of a similar fit; without `search` it also ends there.
    """
    typical = np.append(TYPICAL - np.log(np.bincount(groups)), NOISE)
    scales = typical if start is None else np.append(start.groups, start.noise)
    bounds = [(-40.0, 0.0)] * (len(typical) - 1) + [(LOWEST, HIGHEST)]
    trust, level = np.ones_like(target), target
    for _ in range(ROUNDS):
        problem = _Problem.of(design, target, trust / level**2, groups)
        if search:
            scales = minimize(problem.loss, scales, args=(typical,), jac=True, method="L-BFGS-B", bounds=bounds).x
        found = problem.fitted(scales)
        level = np.maximum(design @ found.mean, 0.5 * target.min())
        unsure = np.einsum("nf,nf->n", design @ found.covariance, design)
        squared = ((target - design @ found.mean) ** 2 + unsure) / (level**2 * np.exp(scales[-1]))
        before, trust = trust, (FREEDOM + 1) / (FREEDOM + squared)
        if np.abs(trust - before).max() < SETTLED:
            break
    return found
