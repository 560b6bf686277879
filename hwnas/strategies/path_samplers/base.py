"""The base of path samplers: which paths each step of the shared weights trains, in one-shot methods."""

from typing import ClassVar

import numpy as np

from ...nn.choice_block import Sharing
from ...nn.shared import Kernels
from ...nn.supernet import Supernet
from ...space.space import SearchSpace
from ..base import TrainingPaths
from ..constants import Constants


class PathSampler:
    """Which paths each step of the shared weights trains: a pure function of the step, sampled with `seed`.

    A subclass adds `training_paths`, and names the model of its constants. Whatever has two methods `prepare` and
    `training_paths` like these can be given to a `SharedLoop`.
    """

    constants: ClassVar[type[Constants]] = Constants

    def __init__(self, space: SearchSpace, constants: Constants, *, seed: int) -> None:
        self.space, self.seed = space, seed

    def supernet(self, sharing: Sharing = "separate", kernels: Kernels = "crop") -> Supernet:
        """The weights to train, initialised with the seed."""
        return Supernet(self.space, self.seed, sharing, kernels)

    def prepare(self, supernet: Supernet, progress: float) -> None:
        """Change `supernet`, one that `supernet` made, when `progress` (0 to 1) of all steps is over. It may be called
        again for the same progress."""

    def training_paths(self, progress: float, step: int) -> TrainingPaths:
        """What step `step` trains, when `progress` (0 to 1) of all steps is over."""
        raise NotImplementedError

    def rng(self, step: int) -> np.random.Generator:
        """The randomness of step `step`."""
        return np.random.default_rng((self.seed, step))
