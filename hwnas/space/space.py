"""A search space: fixed blocks and slots in order. An architecture is one index per slot."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from ..errors import InputError
from ..files import sha256
from .net import Block, Net

Arch = tuple[int, ...]
"""An architecture: the index of the chosen candidate, for each slot."""


@dataclass(frozen=True)
class Slot:
    """A place in the network where one of several blocks goes; all have the same shape in and out."""

    candidates: tuple[Block, ...]

    def __post_init__(self) -> None:
        if len({(c.cin, c.height, c.width, c.cout, *c.out) for c in self.candidates}) != 1:
            raise ValueError("the candidates of a slot must agree in shape")


@dataclass(frozen=True)
class SearchSpace:
    """All networks that the slots can make. `source` is where the space is published."""

    name: str
    parts: tuple[Block | Slot, ...]
    source: str = ""

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The places of choice, in order; an architecture has one index for each."""
        return tuple(part for part in self.parts if isinstance(part, Slot))

    @cached_property
    def choices(self) -> tuple[int, ...]:
        """Number of candidates of each slot."""
        return tuple(len(slot.candidates) for slot in self.slots)

    @property
    def size(self) -> int:
        """Number of architectures."""
        return prod(self.choices)

    @property
    def resolution(self) -> int:
        """Height of the input image in pixels."""
        return self._fixed(0).height

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return self._fixed(-1).cout

    def _fixed(self, index: int) -> Block:
        part = self.parts[index]
        return part if isinstance(part, Block) else part.candidates[0]

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever any block of the space does; stored wherever indices into the space are.

        Keys leave out what is at its default, so that a new field of `Block` changes the fingerprint of no old space.
        """
        keys = [part.key if isinstance(part, Block) else [c.key for c in part.candidates] for part in self.parts]
        return sha256(json.dumps(keys).encode())[:16]

    def check(self, arch: Arch) -> Arch:
        """`arch` itself. Raises `InputError` if it is not an architecture of this space."""
        if len(arch) != len(self.slots) or not all(0 <= i < n for i, n in zip(arch, self.choices, strict=True)):
            raise InputError(f"{list(arch)} is not an architecture of {self.name}, whose slots have {self.choices}")
        return arch

    def chosen(self, arch: Arch) -> Iterator[Block]:
        """Every block in order, the chosen one of each slot, skips included."""
        picks = iter(self.check(arch))
        return (part if isinstance(part, Block) else part.candidates[next(picks)] for part in self.parts)

    def derive(self, arch: Arch) -> Net:
        """The network of `arch`. A chosen skip is the identity, so the network is the rest without it."""
        blocks = tuple(block for block in self.chosen(arch) if block.op != "skip")
        return Net(blocks, name=f"{self.name}:{'-'.join(map(str, arch))}")

    def blocks(self) -> tuple[Block, ...]:
        """Every distinct block that a network of this space can hold, in order of first appearance."""
        parts = ((part,) if isinstance(part, Block) else part.candidates for part in self.parts)
        return tuple(dict.fromkeys(block for part in parts for block in part if block.op != "skip"))

    def encode(self, arch: Arch) -> np.ndarray:
        """One-hot rows, shape (slots, widest slot), float32. Narrower slots are padded with zeros."""
        encoded = np.zeros((len(self.slots), max(self.choices)), np.float32)
        encoded[np.arange(len(self.slots)), self.check(arch)] = 1
        return encoded

    def decode(self, weights: np.ndarray) -> Arch:
        """The architecture with the largest weight in each row of an array shaped like `encode`'s."""
        return self.check(tuple(int(row[:n].argmax()) for row, n in zip(weights, self.choices, strict=True)))

    def sample(self, rng: np.random.Generator) -> Arch:
        """An architecture drawn uniformly."""
        return tuple(int(i) for i in rng.integers(0, self.choices))

    def neighbours(self, arch: Arch) -> Iterator[Arch]:
        """Every architecture that differs from `arch` in exactly one slot."""
        self.check(arch)
        for slot, n in enumerate(self.choices):
            yield from ((*arch[:slot], i, *arch[slot + 1 :]) for i in range(n) if i != arch[slot])
