"""TuNAS (Bender et al. 2020, arXiv 2008.06120)."""

from typing import ClassVar

import torch
from pydantic import Field

from ...nn.gates import Gate
from ...space.space import SearchSpace
from ..base import TrainingPaths
from ..constants import Constants
from ..limit import Limit
from .base import Policy, PolicyConstants
from .factorised import Factorised
from .scaling import LearningRateScaling, SearchProgress

SCALING = LearningRateScaling(lr=4.8e-3, updates=27_000, batch=8, most=0.05)
"""90 epochs of ImageNet in batches of 4096, for which the authors' code has 16 times its rate of 3e-4."""


class TuNasConstants(PolicyConstants):
    """Constants of the authors' code; they count on shared weights only."""

    growth: float = Field(default=10.0, gt=0, description="factor by which the learning rate grows after the delay")
    delay: float = Field(default=0.25, ge=0, le=1, description="share of the search in which the policy stands still")
    warmup: float = Field(
        default=0.25, ge=0, le=1, description="share of the weights' steps in which options are averaged"
    )


class TuNas(Policy):
    """One logit an option, 0 at first, moved by REINFORCE with Adam, betas (0, 0.999), and a baseline with decay 0.95.

    On shared weights the policy does not move in the first `delay` of the search, and after that the rate grows
    exponentially to `growth` times what it was (the authors' code); in the first `warmup` of the weights' steps,
    options are averaged and widths are the largest. Scores that are told are of weights that need no such start:
    there the policy moves, and its rate grows, from the first.

    The batch is what there are cores, each with an architecture of its own; 8 is ours. The published reward is `tunas`.
    """

    constants: ClassVar[type[Constants]] = TuNasConstants

    def __init__(self, space: SearchSpace, limit: Limit, constants: TuNasConstants, *, seed: int, budget: int) -> None:
        self.growth, self.delay, self.warmup = constants.growth, constants.delay, constants.warmup
        super().__init__(
            space, limit, constants, seed=seed, budget=budget, model=Factorised, scaling=SCALING, betas=(0.0, 0.999)
        )

    def training_paths(self, progress: float) -> TrainingPaths:
        """One architecture sampled from the policy; in the first `warmup` of the steps, with a probability that falls
        from 1 to 0, each slot for itself is warmed up instead.

        Where the outputs of a slot's options can be added up, all run, and their mean goes on (op warm-up). Where they
        cannot, as they change shapes, it has the option of the largest architecture (filter warm-up).
        """
        arch = self.propose()
        warm = torch.rand(len(arch), generator=self.generator) < self.warmup_probability(progress)
        gates = zip(warm.tolist(), self.space.mixable, self.space.choices, arch, self.space.largest, strict=True)
        return TrainingPaths((tuple(_gate(*slot) for slot in gates),))

    def warmup_probability(self, progress: float) -> float:
        """Probability that a slot is warmed up where `progress` of the steps is over."""
        return max(0.0, 1 - progress / self.warmup) if self.warmup else 0.0

    def rate(self, progress: SearchProgress) -> float:
        """The exponential schedule; 0 in the delay."""
        grown = progress.progress
        if progress.shared:
            if progress.progress < self.delay:
                return 0.0
            grown = (progress.progress - self.delay) / (1 - self.delay)
        return float(super().rate(progress) * self.growth**grown)


def _gate(warm: bool, mixable: bool, count: int, index: int, largest: int) -> Gate:
    if not warm:
        return Gate((index,))
    if not mixable:
        return Gate((largest,))
    return Gate(tuple(range(count)), torch.full((count,), 1 / count), "weighted")
