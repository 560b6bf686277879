"""Sampling rules of one-shot methods: which architectures one step of the shared weights trains."""

from math import ceil
from typing import ClassVar

import numpy as np
from pydantic import Field

from ...nn.gates import one_hot
from ...space.space import Arch, SearchSpace
from ..base import TrainingPaths
from ..constants import Constants
from .base import PathSampler


def uniform(space: SearchSpace, rng: np.random.Generator, count: int = 1) -> list[Arch]:
    """`count` architectures sampled uniformly: single path one-shot (1904.00420, §3) for one."""
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
    """The largest architecture, the smallest, and `count` sampled uniformly (BigNAS, 2003.11142, §3.1).

    The largest comes first: with in-place distillation it is the one that learns the labels.
    """
    return [space.largest, space.smallest, *uniform(space, rng, count)]


class Uniform(PathSampler):
    """One `uniform` path a step (single path one-shot, 1904.00420, §3)."""

    def training_paths(self, progress: float, step: int) -> TrainingPaths:
        """One path."""
        return _paths(uniform(self.space, self.rng(step)))


class Fair(PathSampler):
    """`fair` paths, each candidate of the widest slots once a step (FairNAS, 1907.01845)."""

    def training_paths(self, progress: float, step: int) -> TrainingPaths:
        """As many paths as the widest slot has candidates."""
        return _paths(fair(self.space, self.rng(step)))


class SandwichConstants(Constants):
    """Constants of the sandwich rule (BigNAS, 2003.11142, §3.1)."""

    distil: bool = Field(default=True, description="whether the largest architecture teaches the others; §3.1")
    decay_first: bool = Field(default=True, description="whether the largest alone is regularised; §3.1")
    count: int = Field(default=2, ge=0, description="random architectures beside the largest and the smallest; §3.1")


class Sandwich(PathSampler):
    """`sandwich` paths (BigNAS, 2003.11142, §3.1): the largest teaches the others with `distil`, and is alone
    regularised with `decay_first`."""

    constants: ClassVar[type[Constants]] = SandwichConstants

    def __init__(self, space: SearchSpace, constants: SandwichConstants, *, seed: int) -> None:
        super().__init__(space, constants, seed=seed)
        self.distil, self.decay_first, self.count = constants.distil, constants.decay_first, constants.count

    def training_paths(self, progress: float, step: int) -> TrainingPaths:
        """The largest, the smallest, and random paths."""
        return _paths(sandwich(self.space, self.rng(step), self.count), self.distil, self.decay_first)


def _paths(archs: list[Arch], distil: bool = False, decay_first: bool = False) -> TrainingPaths:
    return TrainingPaths(tuple(map(one_hot, archs)), distil, decay_first)
