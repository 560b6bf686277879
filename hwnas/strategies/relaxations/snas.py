"""SNAS (Xie et al. 2018, arXiv 1812.09926): concrete samples, and one level of optimisation."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from ...space.space import SearchSpace
from ..constants import Constants, out_of_range
from ..limit import Limit
from .concrete import Concrete
from .softmax import SoftmaxConstants, scaled_rate

LR, STEPS = 3e-4, 117_300
"""The rate and steps of the authors' code: 150 epochs of CIFAR-10 in batches of 64."""


class SnasConstants(SoftmaxConstants):
    """Constants of the authors' code; the deviation of the first α is ours."""

    temperature_start: float = Field(default=1.0, gt=0, description="the first temperature; the authors' code")
    temperature_end: float = Field(default=0.03, gt=0, description="the last temperature; the authors' code")
    weight_decay: float = Field(default=1e-3, ge=0, description="Adam's weight decay of α; the authors' code")
    init_std: float = Field(default=0.01, ge=0, description="standard deviation of the first α; ours")

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.temperature_end > self.temperature_start:
            raise out_of_range(
                "temperature_end", self.temperature_end, f"at most {self.temperature_start:g}, the start"
            )
        return self


class Snas(Concrete):
    """Weights and architecture parameters learn in the same step, from the same loss on training images (§2.2).

    The temperature falls linearly from `temperature_start` to `temperature_end`: the paper gives neither, the authors'
    code 1 and 0.03. Its Adam has betas 0.5 and 0.999, weight decay 1e-3, and a rate of 3e-4 for 117,300 steps. The
    expected latency is that of the sample.
    """

    single_level = True

    constants: ClassVar[type[Constants]] = SnasConstants

    def __init__(self, space: SearchSpace, limit: Limit, constants: SnasConstants, *, seed: int, budget: int) -> None:
        lr = scaled_rate(constants.lr, LR, STEPS, budget)
        super().__init__(space, limit, constants, seed=seed, lr=lr, betas=(0.5, 0.999))
        self.start, self.end = constants.temperature_start, constants.temperature_end

    def temperature(self, progress: float) -> float:
        """From the first to the last in a straight line."""
        return self.start + progress * (self.end - self.start)
