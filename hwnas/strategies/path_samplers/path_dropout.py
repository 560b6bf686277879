"""All paths at once, more and more of them dropped (Bender et al., ICML 2018)."""

import numpy as np
import torch

from ...errors import InputError
from ...nn.gates import Gate
from ...space.space import SearchSpace
from ..base import TrainingPaths
from .base import PathSampler


class PathDropout(PathSampler):
    """Every option of every slot runs, but for those that a step drops (Bender et al. 2018, §3.2).

    Each of the k options of a slot is dropped with a probability that rises linearly from 0 at the first step to
    `rate`^(1/k) at the last, so that in the end all of them would be with probability `rate`, however many there are;
    one of them, drawn uniformly, then stays. The paper leaves `rate`, its r, open; 0.05 is ours.

    The paper adds up what the others give. Here it is their mean, which is the same to a layer whose BatchNorm follows,
    and with candidates that have a residual keeps the identity of the size that it has in a single path. Of a slot
    whose options change shapes, which cannot be added up, one option is drawn uniformly. Raises `InputError` for a rate
    that is not in 0 to 1.
    """

    def __init__(self, space: SearchSpace, *, seed: int, rate: float = 0.05) -> None:
        super().__init__(space, seed=seed)
        if not 0 <= rate < 1:
            raise InputError(f"rate, of path dropout, is {rate:g}: give 0 or more, and less than 1")
        self.rate = rate

    def dropped(self, part: float, options: int) -> float:
        """The probability that one of the `options` of a slot is dropped, when `part` of all steps is over."""
        return part * self.rate ** (1 / options)

    def training_paths(self, part: float, step: int) -> TrainingPaths:
        """One path, of gates over what is left."""
        rng = self.rng(step)
        slots = zip(self.space.choices, self.space.mixable, strict=True)
        return TrainingPaths(
            (tuple(self._gate(n, self.dropped(part, n) if mixable else 1.0, rng) for n, mixable in slots),)
        )

    def _gate(self, options: int, dropped: float, rng: np.random.Generator) -> Gate:
        """The mean of the options that are left of a slot's."""
        left = np.flatnonzero(rng.random(options) >= dropped).tolist() or [int(rng.integers(options))]
        return Gate(tuple(left), torch.full((len(left),), 1 / len(left)) if len(left) > 1 else None, "weighted")
