"""NAS with reinforcement learning (Zoph & Le 2016, arXiv 1611.01578)."""

from functools import partial
from typing import ClassVar

from pydantic import Field

from ...space.space import SearchSpace
from ..constants import Constants
from ..limit import Limit
from .base import ControllerConstants
from .controller import Controller
from .recurrent import RecurrentPolicy
from .scaling import LearningRateScaling

SCALING = LearningRateScaling(lr=6e-4, updates=1600, batch=8, most=0.01)
"""12,800 networks, of which a replica of the controller sends the mean gradient of 8 (§4.1)."""


class NasRlConstants(ControllerConstants):
    """Constants of the paper (1611.01578, §4.1); the decay of the baseline is NASNet's (1707.07012, appendix)."""

    layers: int = Field(default=2, ge=1, description="layers of the LSTM; §4.1")
    units: int = Field(default=35, ge=1, description="units of each layer; §4.1")
    init: float = Field(default=0.08, gt=0, description="first weights are from U(−init, init); §4.1")


class NasRl(RecurrentPolicy):
    """A two-layer LSTM of 35 units, weights from U(−0.08, 0.08), trained by REINFORCE with Adam at 6e-4 (§4.1).

    The decay of the baseline is not published: 0.95 is that of the same authors' NASNet (1707.07012, appendix). The
    reward there is the cube of the best accuracy of the last epochs; here it is the score that is told.
    """

    constants: ClassVar[type[Constants]] = NasRlConstants

    def __init__(self, space: SearchSpace, limit: Limit, constants: NasRlConstants, *, seed: int, budget: int) -> None:
        model = partial(Controller, **constants.model_dump(include={"layers", "units", "init"}))
        super().__init__(space, limit, constants, seed=seed, budget=budget, model=model, scaling=SCALING)
