"""MnasNet's search: an LSTM controller and proximal policy optimisation (Tan et al. 2018, arXiv 1807.11626, §3.3)."""

from functools import partial
from typing import ClassVar

import torch
from pydantic import Field

from ...space.space import SearchSpace
from ..constants import Constants
from ..limit import Limit
from .base import ControllerConstants, Policy
from .controller import Controller
from .scaling import LearningRateScaling

SCALING = LearningRateScaling(lr=3.5e-4, updates=400, batch=20, most=0.001)
"""The paper's 8,000 models, in batches of 20."""


def clipped_objective(ratios: torch.Tensor, advantages: torch.Tensor, clip: float) -> torch.Tensor:
    """PPO's objective, to raise: the mean over architectures, the first dimension, of the sum over slots of
    min(r·A, clip(r, 1 − ε, 1 + ε)·A) (Schulman et al. 2017, 1707.06347, eq. 7).

    `ratios` (N, slots) are new probability by old of each option, `advantages` (N,). A ratio that has moved by more
    than `clip` the way that its advantage asks for gets no gradient.
    """
    gained = advantages[:, None] * ratios
    return torch.minimum(gained, advantages[:, None] * ratios.clamp(1 - clip, 1 + clip)).sum(1).mean()


class MnasNetConstants(ControllerConstants):
    """Constants of PPO, and of NASNet's controller where the paper gives none."""

    clip: float = Field(default=0.2, ge=0, le=1, description="how far a ratio may move; PPO, 1707.06347")
    epochs: int = Field(default=4, ge=1, description="steps on each batch; ours")
    entropy: float = Field(default=1e-5, ge=0, description="weight of the entropy; NASNet, 1707.07012, appendix")


class MnasNet(Policy):
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
        with torch.no_grad():
            old = self.log_probs(archs)
        for _ in range(self.epochs):
            gain = clipped_objective((self.log_probs(archs) - old).exp(), advantages, self.clip)
            self.descend(-gain - self.entropy * self.entropies(archs).sum(1).mean())
