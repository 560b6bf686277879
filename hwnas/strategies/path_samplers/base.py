"""What one-shot methods have in common: shared weights that are trained before any architecture is judged by them."""

import numpy as np

from ...nn.choice_block import Sharing
from ...nn.shared import Kernels
from ...nn.supernet import Supernet
from ...space.space import SearchSpace
from ..base import TrainingPaths


class PathSampler:
    """Which paths each step of the shared weights trains: a pure function of the step, drawn with `seed`.

    A subclass adds `lesson`, and its constants as keyword arguments. Whatever has two methods `prepare` and `lesson`
    like these can be given to a `SharedLoop`.
    """

    def __init__(self, space: SearchSpace, *, seed: int) -> None:
        self.space, self.seed = space, seed

    def supernet(self, sharing: Sharing = "separate", kernels: Kernels = "crop") -> Supernet:
        """The weights to train, drawn with the seed."""
        return Supernet(self.space, self.seed, sharing, kernels)

    def prepare(self, supernet: Supernet, part: float) -> None:
        """Change `supernet`, one that `supernet` made, when `part` (0 to 1) of all steps is over. It may be called
        again for the same part."""

    def training_paths(self, part: float, step: int) -> TrainingPaths:
        """What step `step` trains, when `part` (0 to 1) of all steps is over."""
        raise NotImplementedError

    def rng(self, step: int) -> np.random.Generator:
        """The randomness of step `step`."""
        return np.random.default_rng((self.seed, step))
