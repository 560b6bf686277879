"""ProxylessNAS by REINFORCE (Cai et al. 2018, arXiv 1812.00332, §3.3.2)."""

from functools import partial
from typing import ClassVar

from pydantic import Field

from ...space.space import SearchSpace
from ..constants import Constants
from ..limit import Limit
from .base import Policy, PolicyConstants
from .factorised import Factorised
from .scaling import LearningRateScaling

SCALING = LearningRateScaling(lr=1e-3, updates=36_000, batch=10, most=0.2)
"""120 epochs of 300 updates of 10 architectures (the authors' code)."""


class ProxylessReinforceConstants(PolicyConstants):
    """Constants of the authors' code."""

    init_std: float = Field(default=1e-3, ge=0, description="deviation of the first logits")
    decay: float = Field(default=0.01, ge=0, le=1, description="decay of the baseline: nearly the mean of the batch")


class ProxylessReinforce(Policy):
    """One parameter an option, sampled from N(0, 1e-3²), moved by REINFORCE with Adam at 1e-3, betas (0, 0.999), on
    batches of 10 (the authors' code). There the baseline moves by 0.99 of the way to the mean of the batch, which is a
    `decay` of 0.01: it is nearly that mean.

    The published reward is `proxyless-r`.
    """

    constants: ClassVar[type[Constants]] = ProxylessReinforceConstants

    def __init__(
        self, space: SearchSpace, limit: Limit, constants: ProxylessReinforceConstants, *, seed: int, budget: int
    ) -> None:
        model, betas = partial(Factorised, spread=constants.init_std), (0.0, 0.999)
        super().__init__(space, limit, constants, seed=seed, budget=budget, model=model, scaling=SCALING, betas=betas)
