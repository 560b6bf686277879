"""Efficient NAS (Pham et al. 2018, arXiv 1802.03268)."""

from functools import partial
from typing import ClassVar

import torch
from pydantic import Field

from ...space.space import SearchSpace
from ..constants import Constants
from ..limit import Limit
from .base import ControllerConstants
from .controller import Controller
from .recurrent import RecurrentPolicy
from .scaling import LearningRateScaling

SCALING = LearningRateScaling(lr=3.5e-4, updates=15_500, batch=20, most=0.01)
"""The paper's rate; 310 epochs of 50 updates of 20 architectures are those of the authors' code for the macro space."""


class EnasConstants(ControllerConstants):
    """Constants of the paper (1802.03268, §2.3 and §3.2); the code differs where the class says so."""

    temperature: float = Field(default=5.0, gt=0, description="divides the logits; §3.2")
    tanh: float = Field(default=2.5, ge=0, description="bounds the logits by tanh·tanh(logits); 0: no bound; §3.2")
    entropy: float = Field(default=1e-4, ge=0, description="weight of the entropy in the reward; §3.2")
    decay: float = Field(default=0.99, ge=0, le=1, description="decay of the baseline; the authors' code")


class Enas(RecurrentPolicy):
    """An LSTM of 100 units, weights from U(−0.1, 0.1), whose logits are 2.5·tanh(logits / 5); Adam at 3.5e-4 on the
    reward plus 1e-4 times the entropy of the sample (§2.3, §3.2). The baseline's decay, 0.99, is that of the code.

    Where paper and code differ these are the paper's: the code has 64 units, rates of 1e-3 (macro) and 3.5e-3 (micro),
    and tanh constants of 1.5 and 1.1. The penalty on skip connections is of its macro space, and none of the spaces
    here has them. That weights and policy learn in turn is the loop's doing.
    """

    constants: ClassVar[type[Constants]] = EnasConstants

    def __init__(self, space: SearchSpace, limit: Limit, constants: EnasConstants, *, seed: int, budget: int) -> None:
        self.entropy = constants.entropy
        model = partial(Controller, **constants.model_dump(include={"layers", "units", "init", "temperature", "tanh"}))
        super().__init__(space, limit, constants, seed=seed, budget=budget, model=model, scaling=SCALING)

    def score(self, archs: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Reward plus `entropy` times that of the policy along each architecture, in nats."""
        with torch.no_grad():
            return rewards + self.entropy * self.entropies(archs).sum(1)
