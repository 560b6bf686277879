"""All paths at once, more and more of them dropped (Bender et al., ICML 2018)."""

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from ...nn.gates import Gate
from ...space.space import SearchSpace
from ..base import TrainingPaths
from ..constants import Constants
from .base import PathSampler


class PathDropoutConstants(Constants):
    """The rate of dropout at the end of the training."""

    rate: float = Field(
        default=0.05, ge=0, lt=1, description="probability that all options of a slot are dropped; the paper's r; ours"
    )


class PathDropout(PathSampler):
    """Every option of every slot runs, but for those that a step drops (Bender et al. 2018, §3.2).

    Each of the k options of a slot is dropped with a probability that rises linearly from 0 at the first step to
    `rate`^(1/k) at the last, so that in the end all of them would be with probability `rate`, however many there are;
    one of them, sampled uniformly, then stays. The paper leaves its rate r open.

    The paper adds up what the others give. Here it is their mean, which is the same to a layer whose BatchNorm follows,
    and with candidates that have a residual keeps the identity of the size that it has in a single path. Of a slot
    whose options change shapes, which cannot be added up, one option is sampled uniformly.
    """

    constants: ClassVar[type[Constants]] = PathDropoutConstants

    def __init__(self, space: SearchSpace, constants: PathDropoutConstants, *, seed: int) -> None:
        super().__init__(space, constants, seed=seed)
        self.rate = constants.rate

    def drop_probability(self, progress: float, options: int) -> float:
        """The probability that one of the `options` of a slot is dropped, when `progress` of all steps is over."""
        return float(progress * self.rate ** (1 / options))

    def training_paths(self, progress: float, step: int) -> TrainingPaths:
        """One path, of gates over what is left."""
        rng = self.rng(step)
        slots = zip(self.space.choices, self.space.mixable, strict=True)
        return TrainingPaths(
            (tuple(self._gate(n, self.drop_probability(progress, n) if mixable else 1.0, rng) for n, mixable in slots),)
        )

    def _gate(self, options: int, drop_probability: float, rng: np.random.Generator) -> Gate:
        """The mean of the options of a slot that are left."""
        left = np.flatnonzero(rng.random(options) >= drop_probability).tolist() or [int(rng.integers(options))]
        return Gate(tuple(left), torch.full((len(left),), 1 / len(left)) if len(left) > 1 else None, "weighted")
