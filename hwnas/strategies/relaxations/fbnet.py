"""FBNet (Wu et al. 2018, arXiv 1812.03443, §3.3): Gumbel softmax, weights and architecture parameters in turn."""

from math import exp
from typing import ClassVar

from pydantic import Field

from ...space.space import SearchSpace
from ..constants import Constants
from ..limit import Limit
from .concrete import Concrete
from .softmax import SoftmaxConstants, scaled_rate

LR, STEPS = 0.01, 10_700
"""The published rate, and the steps: 80 epochs of a fifth of 100 classes of ImageNet in batches of 192."""
EPOCHS = 90


class FBNetConstants(SoftmaxConstants):
    """Constants of the paper (1812.03443, §4); the deviation of the first α is ours."""

    temperature_start: float = Field(default=5.0, gt=0, description="the first temperature; §4")
    decay: float = Field(default=0.045, ge=0, le=1, description="exponent by which the temperature falls an epoch; §4")
    weight_decay: float = Field(default=5e-4, ge=0, description="Adam's weight decay of α; §4")


class FBNet(Concrete):
    """Samples weigh the candidates in steps of the weights, on training images, and of α, on validation images, alike.

    The temperature is `temperature_start`·e^(−`decay`·epoch), with the published 5 and 0.045, where all steps after the
    warm-up are the 90 published epochs. The expected latency is that of the sample. The published Adam has weight
    decay 5e-4 and a rate of 0.01 for some 10,700 steps.
    """

    constants: ClassVar[type[Constants]] = FBNetConstants

    def __init__(self, space: SearchSpace, limit: Limit, constants: FBNetConstants, *, seed: int, budget: int) -> None:
        lr = scaled_rate(constants.lr, LR, STEPS, budget)
        super().__init__(space, limit, constants, seed=seed, lr=lr, betas=(0.9, 0.999))
        self.start, self.decay = constants.temperature_start, constants.decay

    def temperature(self, progress: float) -> float:
        """It falls by the same factor in every epoch."""
        return self.start * exp(-self.decay * EPOCHS * progress)
