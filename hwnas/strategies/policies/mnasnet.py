"""MnasNet's search: an LSTM controller and proximal policy optimisation (Tan et al. 2018, arXiv 1807.11626, §3.3)."""

from functools import partial
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from ...space.space import SearchSpace
from ..constants import Constants
from ..limit import Limit
from .base import ControllerConstants
from .controller import Controller
from .recurrent import RecurrentPolicy
from .scaling import LearningRateScaling

SCALING = LearningRateScaling(lr=3.5e-4, updates=400, batch=20, most=0.001)
"""The paper's 8,000 models, in batches of 20."""
LEAST = -100.0
"""Stands in for log 0, of which 0 times would be no number."""


def clipped_slope(ratios: np.ndarray, advantages: np.ndarray, clip: float) -> np.ndarray:
    """The derivative by `ratios` of PPO's objective, which is raised: the mean over architectures of the sum over slots
    of min(r·A, clip(r, 1 − ε, 1 + ε)·A) (Schulman et al. 2017, 1707.06347, eq. 7).

    `ratios` (slots, N) are new probability by old of each option, `advantages` (N,). A ratio that has moved by more
    than `clip` the way that its advantage asks for gets no gradient.
    """
    gained, most = advantages * ratios, advantages * np.clip(ratios, 1 - clip, 1 + clip)
    return np.asarray((gained <= most) * (advantages / len(advantages)))


class MnasNetConstants(ControllerConstants):
    """Constants of PPO, and of NASNet's controller where the paper gives none."""

    clip: float = Field(default=0.2, ge=0, le=1, description="how far a ratio may move; PPO, 1707.06347")
    epochs: int = Field(default=4, ge=1, description="steps on each batch; ours")
    entropy: float = Field(default=1e-5, ge=0, description="weight of the entropy; NASNet, 1707.07012, appendix")


class MnasNet(RecurrentPolicy):
    """An LSTM controller trained by PPO. Every option of an architecture is an action, as every step of an episode is
    one in PPO, and its advantage is that of the architecture.

    The paper says little more than that: a controller as NASNet's, PPO, some 8,000 models. From NASNet (1707.07012,
    appendix) are one layer of 100 units, weights from U(−0.1, 0.1), Adam at 3.5e-4, a baseline with decay 0.95, and
    an entropy weight of 1e-5; from PPO (1707.06347) is the clip of 0.2. The batch of 20 and 4 epochs over it are ours.
    """

    constants: ClassVar[type[Constants]] = MnasNetConstants

    def __init__(
        self, space: SearchSpace, limit: Limit, constants: MnasNetConstants, *, seed: int, budget: int
    ) -> None:
        self.clip, self.epochs, self.entropy = constants.clip, constants.epochs, constants.entropy
        model = partial(Controller, **constants.model_dump(include={"layers", "units", "init"}))
        super().__init__(space, limit, constants, seed=seed, budget=budget, model=model, scaling=SCALING)

    def improve(self, archs: torch.Tensor, advantages: torch.Tensor) -> None:
        """Several steps that raise the clipped objective and the entropy, from the policy that they begin with."""
        weights, count, old = advantages.numpy(), len(archs), None
        for _ in range(self.epochs):
            look = self.model.look(archs)
            taken = look.taken
            logs = look.logs[taken]
            old = logs if old is None else old
            ratios = np.exp(logs - old)
            slope = clipped_slope(ratios, weights, self.clip)
            # The derivative of the entropy −Σ p·log p by log p is −p·(log p + 1); absent options have p = 0.
            by_log = look.probs * (np.maximum(look.logs, LEAST) + 1) * (self.entropy / count)
            by_log[taken] -= slope * ratios
            self.follow(look, by_log)
