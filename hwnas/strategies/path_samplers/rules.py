"""Which architectures one step of the shared weights trains: the sampling rules of one-shot methods."""

from math import ceil

import numpy as np

from ...errors import InputError
from ...nn.gates import one_hot
from ...space.space import Arch, SearchSpace
from ..base import TrainingPaths
from .base import PathSampler


def uniform(space: SearchSpace, rng: np.random.Generator, count: int = 1) -> list[Arch]:
    """`count` architectures drawn uniformly: single path one-shot (1904.00420, §3) for one."""
    return [space.sample(rng) for _ in range(count)]


def fair(space: SearchSpace, rng: np.random.Generator) -> list[Arch]:
    """As many architectures as the widest slot has candidates, together holding each candidate of it exactly once:
    strict fairness (FairNAS, 1907.01845).

    The published space has as many candidates in every slot. Here a narrower one deals its candidates out again and
    again, each time in a new order, so that within a step none of them is ahead of another by more than one.
    """
    count = max(space.choices)
    columns = []
    for choices in space.choices:
        rounds = [rng.permutation(choices) for _ in range(ceil(count / choices))]
        columns.append(np.concatenate(rounds)[:count].tolist())
    return list(zip(*columns, strict=True))


def sandwich(space: SearchSpace, rng: np.random.Generator, count: int = 2) -> list[Arch]:
    """The largest architecture, the smallest, and `count` drawn uniformly (BigNAS, 2003.11142, §3.1).

    The largest comes first: with in-place distillation it is the one that learns the labels.
    """
    return [space.largest, space.smallest, *uniform(space, rng, count)]


class Uniform(PathSampler):
    """One `uniform` path a step (single path one-shot, 1904.00420, §3)."""

    def training_paths(self, part: float, step: int) -> TrainingPaths:
        """One path."""
        return _lesson(uniform(self.space, self.rng(step)))


class Fair(PathSampler):
    """`fair` paths, each candidate of the widest slots once a step (FairNAS, 1907.01845)."""

    def training_paths(self, part: float, step: int) -> TrainingPaths:
        """As many paths as the widest slot has candidates."""
        return _lesson(fair(self.space, self.rng(step)))


class Sandwich(PathSampler):
    """`sandwich` paths (BigNAS, 2003.11142, §3.1): the largest teaches the others with `distil`, and is alone
    regularised with `decay_first`. Raises `InputError` for a negative `count` of random paths."""

    def __init__(
        self, space: SearchSpace, *, seed: int, distil: bool = True, decay_first: bool = True, count: int = 2
    ) -> None:
        super().__init__(space, seed=seed)
        if count < 0:
            raise InputError(
                f"count, of random architectures beside the largest and smallest, is {count}: give 0 or more"
            )
        self.distil, self.decay_first, self.count = distil, decay_first, count

    def training_paths(self, part: float, step: int) -> TrainingPaths:
        """The largest, the smallest, and random paths."""
        return _lesson(sandwich(self.space, self.rng(step), self.count), self.distil, self.decay_first)


def _lesson(archs: list[Arch], distil: bool = False, decay_first: bool = False) -> TrainingPaths:
    return TrainingPaths(tuple(map(one_hot, archs)), distil, decay_first)
