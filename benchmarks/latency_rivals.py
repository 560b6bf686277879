"""What a latency predictor is compared with: usual regressions on the choices of the slots.

Each takes architectures (N, slots) and ms (N,), and returns the function from architectures to predicted ms.
"""

import warnings
from collections.abc import Callable

import numpy as np
from lightgbm import LGBMRegressor
from mlp_predictor import MlpPredictor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, Kernel, WhiteKernel
from sklearn.linear_model import RidgeCV

from hwnas.space import registry

Predict = Callable[[np.ndarray], np.ndarray]

CANDIDATES = 9
"""Of each slot of the `fbnet` space."""

SEARCHED = 1000
"""Labels that the hyperparameters of the Gaussian process are searched with at most; the posterior is of all."""


def one_hot(archs: np.ndarray) -> np.ndarray:
    """Rows of slots × candidates."""
    return np.eye(CANDIDATES)[archs].reshape(len(archs), -1)


def ridge(archs: np.ndarray, ms: np.ndarray) -> Predict:
    """Ridge regression on one-hot rows, its penalty chosen by leave-one-out."""
    model = RidgeCV(np.logspace(-5, 4, 28)).fit(one_hot(archs), ms)
    return lambda asked: model.predict(one_hot(asked))


def boosted(archs: np.ndarray, ms: np.ndarray) -> Predict:
    """Boosted trees of LightGBM on categories: small trees and small leaves, as few labels and an additive truth need.

    By default it makes no tree at all of forty labels."""
    few = {"min_child_samples": 3, "min_data_per_group": 3, "cat_smooth": 2.0, "cat_l2": 1.0}
    model = LGBMRegressor(n_estimators=1000, learning_rate=0.05, num_leaves=4, n_jobs=1, verbose=-1, **few)
    model.fit(archs, ms, categorical_feature=list(range(archs.shape[1])))
    return lambda asked: model.booster_.predict(asked)


def gaussian_process(archs: np.ndarray, ms: np.ndarray) -> Predict:
    """A Gaussian process on one-hot rows, its kernel the sum of a linear one, a smooth one (RBF) and noise."""
    rows = one_hot(archs)
    kernel: Kernel = ConstantKernel(0.1) * DotProduct(1.0) + ConstantKernel(1.0) * RBF(5.0) + WhiteKernel(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a scale that the labels do not tell ends at its bound
        model = GaussianProcessRegressor(kernel, normalize_y=True).fit(rows[:SEARCHED], ms[:SEARCHED])
    if len(rows) > SEARCHED:
        model = GaussianProcessRegressor(model.kernel_, optimizer=None, normalize_y=True).fit(rows, ms)
    return lambda asked: model.predict(one_hot(asked))


def mlp(archs: np.ndarray, ms: np.ndarray) -> Predict:
    """Our MLP."""
    return MlpPredictor(registry.get("fbnet"), archs, ms).cost


QUICK = {"ridge": ridge, "lightgbm": boosted}
SLOW = {"gaussian_process": gaussian_process, "mlp": mlp}
