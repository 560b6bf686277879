"""Progressive shrinking (Once-for-all: Cai et al. 2019, arXiv 1908.09791, §3.3)."""

from bisect import bisect_right
from dataclasses import fields
from itertools import accumulate
from typing import ClassVar

import numpy as np
from pydantic import Field

from ...nn.gates import one_hot
from ...space.net import Block
from ...space.space import Arch, SearchSpace
from ..base import TrainingPaths
from ..constants import Constants
from .base import PathSampler

EPOCHS = (180, 125, 25, 125, 25, 125)
"""How long each stage is: the largest network alone; elastic kernels; elastic depth, at first only to the next less
deep; elastic widths likewise (1908.09791, §4.1, and its code)."""
STARTS = tuple(total / sum(EPOCHS) for total in accumulate(EPOCHS[:-1], initial=0))
"""The share of all steps that is over when each stage begins."""
PATHS = (0, 1, 2, 2, 4, 4)
"""Architectures sampled for each step of each stage, in the authors' code."""
LARGEST, KERNEL, DEPTH, WIDTH = 0, 1, 2, 4


class ProgressiveShrinkingConstants(Constants):
    """Constants of progressive shrinking (1908.09791, §3.3)."""

    distil: bool = Field(default=True, description="whether the largest architecture teaches the others; §3.3")


class ProgressiveShrinking(PathSampler):
    """The largest architecture alone, and then smaller kernels, fewer layers and narrower ones, released in turn.

    What an option changes is read off the blocks, as those of the largest architecture with that option alone: a
    kernel, an operation (which is what a skip is; this counts as depth), or anything else but the size of the images
    (which counts as width, as the paper calls the channels inside a block). An option of several such changes is
    released with the last of them. The size of the images is free from the start, and one for all paths of a step.

    With `distil`, as published, the sampled architectures learn the answers of the largest one. There that is a copy
    from the end of the first stage, and they learn the labels as well, by the sum of both losses (the authors' code);
    here it is the largest as it is, which goes on learning the labels. Without, they learn the labels.
    """

    constants: ClassVar[type[Constants]] = ProgressiveShrinkingConstants

    def __init__(self, space: SearchSpace, constants: ProgressiveShrinkingConstants, *, seed: int) -> None:
        super().__init__(space, constants, seed=seed)
        self.distil = constants.distil
        self.released = tuple(_released(space, slot) for slot in range(len(space.slots)))
        self.sizes = tuple(slot for slot, stages in enumerate(self.released) if max(stages) == LARGEST)

    @staticmethod
    def stage(progress: float) -> int:
        """Which of `EPOCHS` it is when `progress` of all steps is over."""
        return bisect_right(STARTS, progress) - 1

    def options(self, slot: int, stage: int) -> list[int]:
        """The options of `slot` that are released in `stage`."""
        return [option for option, since in enumerate(self.released[slot]) if since <= stage]

    def training_paths(self, progress: float, step: int) -> TrainingPaths:
        """The largest architecture and those sampled."""
        rng, stage = self.rng(step), self.stage(progress)
        first = tuple(
            int(rng.integers(self.space.choices[slot])) if slot in self.sizes else largest
            for slot, largest in enumerate(self.space.largest)
        )
        samples = [self._sample(first, stage, rng) for _ in range(PATHS[stage])]
        archs = [first, *samples] if self.distil or not samples else samples
        return TrainingPaths(tuple(map(one_hot, archs)), self.distil)

    def _sample(self, first: Arch, stage: int, rng: np.random.Generator) -> Arch:
        """An architecture of what is released, for images of the size of those of `first`."""
        return tuple(
            index if slot in self.sizes else int(rng.choice(self.options(slot, stage)))
            for slot, index in enumerate(first)
        )


def _released(space: SearchSpace, slot: int) -> tuple[int, ...]:
    """The stage in which each option of `slot` is released."""
    largest = space.largest
    usual = list(space.blocks_of(largest))
    found = [space.blocks_of((*largest[:slot], i, *largest[slot + 1 :])) for i in range(space.choices[slot])]
    changes = np.array([[_change(*pair) for pair in zip(usual, blocks, strict=True)] for blocks in found]).sum(1)
    kernels, depths, widths = changes.T
    return tuple(np.maximum.reduce([KERNEL * (kernels > 0), _stages(depths, DEPTH), _stages(widths, WIDTH)]).tolist())


def _stages(changes: np.ndarray, first: int) -> np.ndarray:
    """The stage by how large a change is: `first` for the least of those that there are, and the next for larger."""
    least = min(changes[changes > 0], default=0)
    return np.where(changes > least, first + 1, np.where(changes > 0, first, LARGEST))


NO_WIDTH = frozenset({"op", "kernel", "height", "width", "stride", "expansion", "mid"})
"""Fields of `Block` that are told apart for themselves, follow the size of the images, or are told by `expanded`."""


def _change(usual: Block, block: Block) -> tuple[int, int, int]:
    """How much smaller the kernel, whether another operation, and how else `block` differs."""
    if block.op != usual.op:
        return 0, 1, 0
    pairs = zip(_channels(usual), _channels(block), strict=True)
    return abs(usual.kernel - block.kernel), 0, sum(_distance(*pair) for pair in pairs)


def _channels(block: Block) -> list[int | str]:
    """The channels inside `block`, and all else of it that is no kernel, operation or size of images."""
    return [block.expanded, *(getattr(block, field.name) for field in fields(block) if field.name not in NO_WIDTH)]


def _distance(one: int | str, other: int | str) -> int:
    """How far two values of a field are apart; names, by 1."""
    return abs(one - other) if isinstance(one, int) and isinstance(other, int) else int(one != other)
