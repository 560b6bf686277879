"""A search space: decisions, and what each place of the network holds for them.

An architecture is one index per slot.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import assert_never

import numpy as np

from ..errors import InputError
from ..files import sha256
from .decisions import Choice, Elastic, Part, Position, Slot
from .eliminate import least
from .net import Block, Net

__all__ = ["Arch", "Choice", "Elastic", "Part", "Position", "SearchSpace", "Slot"]

Arch = tuple[int, ...]
"""An architecture: the index of the chosen candidate or option, for each slot."""


@dataclass(frozen=True)
class SearchSpace:
    """All networks that its decisions can make: `parts` in order of execution.

    `source` is where the space is published, `eps` the BatchNorm epsilon of its networks, and `distinct` the number of
    networks where the publication counts one that several architectures make once (0: it counts architectures).
    Raises `InputError` where two choices have one name.
    """

    name: str
    parts: tuple[Part, ...]
    source: str = ""
    eps: float = 1e-5
    distinct: int = 0

    def __post_init__(self) -> None:
        names = [slot.name for slot in self.slots if isinstance(slot, Choice)]
        if len(set(names)) < len(names):
            message = f"two choices of {self.name} have the same name and different options"
            raise InputError(message, code="space.choice-names", space=self.name)
        for position in self.positions:
            for block in position.candidates:
                if block.fan_in > 1:
                    message = f"{block.key} joins {block.fan_in} blocks, and the blocks of a space are a chain"
                    raise InputError(message, code="space.join", space=self.name, block=block.key)

    @cached_property
    def slots(self) -> tuple[Slot | Choice, ...]:
        """The decisions in order of first appearance; an architecture has one index for each."""
        found: list[Slot | Choice] = []
        for part in self.parts:
            if isinstance(part, Slot):
                found.append(part)
            elif isinstance(part, Elastic):
                found += [choice for choice in part.choices if choice not in found]
        return tuple(found)

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        """Every part with the slots that decide on it."""
        index = {slot: i for i, slot in enumerate(self.slots) if isinstance(slot, Choice)}
        own = iter([i for i, slot in enumerate(self.slots) if isinstance(slot, Slot)])  # equal slots are still two
        found = []
        for part in self.parts:
            match part:
                case Block():
                    found.append(Position((), (part,)))
                case Slot():
                    found.append(Position((next(own),), part.candidates))
                case Elastic():
                    found.append(Position(tuple(index[choice] for choice in part.choices), part.candidates))
                case _:
                    assert_never(part)
        return tuple(found)

    @cached_property
    def choices(self) -> tuple[int, ...]:
        """Number of candidates or options of each slot."""
        return tuple(len(slot.candidates if isinstance(slot, Slot) else slot.options) for slot in self.slots)

    @property
    def independent(self) -> bool:
        """Whether every slot decides on one position alone, so that any sum over blocks is a sum over slots."""
        return not any(isinstance(part, Elastic) for part in self.parts)

    @cached_property
    def mixable(self) -> tuple[bool, ...]:
        """Whether the outputs of the options of each slot can be added up: changing it alone changes no shape."""
        found = [n > 1 for n in self.choices]
        for position in self.positions:
            shapes = [(c.cin, c.height, c.width, c.cout, *c.out) for c in position.candidates]
            table = np.array(shapes).reshape(*(self.choices[slot] for slot in position.slots), -1)
            for axis, slot in enumerate(position.slots):
                found[slot] &= bool((table == table.take([0], axis)).all())
        return tuple(found)

    @property
    def size(self) -> int:
        """Number of networks, as the publication counts them."""
        return self.distinct or prod(self.choices)

    @property
    def resolution(self) -> int:
        """Height of the input image in pixels; where it is a choice, the largest."""
        return max(block.height for block in self.positions[0].candidates)

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return self.positions[-1].candidates[0].cout

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever any block of the space does; stored wherever indices into the space are.

        Keys leave out what is at its default, so that a new field of `Block` changes the fingerprint of no old space.
        """

        def keys(part: Part) -> object:
            match part:
                case Block():
                    return part.key
                case Slot():
                    return [block.key for block in part.candidates]
                case Elastic():
                    return [[choice.name for choice in part.choices], [block.key for block in part.candidates]]
                case _:
                    assert_never(part)

        return sha256(json.dumps(list(map(keys, self.parts))).encode())[:16]

    def check(self, arch: Arch) -> Arch:
        """`arch` itself. Raises `InputError` if it is not an architecture of this space."""
        if len(arch) != len(self.slots) or not all(0 <= i < n for i, n in zip(arch, self.choices, strict=True)):
            message = f"{list(arch)} is not an architecture of {self.name}, whose slots have {self.choices}"
            raise InputError(message, code="space.not-an-architecture", space=self.name, arch=tuple(arch))
        return arch

    def options(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """`archs` as int64, (N, slots). Raises `InputError` where one is not of this space."""
        given = np.atleast_2d(np.asarray(archs, dtype=np.int64))
        if given.shape[1:] != (len(self.choices),) or not ((given >= 0) & (given < self.choices)).all():
            message = f"not architectures of {self.name}, whose slots have {self.choices}"
            raise InputError(message, code="space.not-an-architecture", space=self.name)
        return given

    def picks(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """Index of the candidate at each position, (N, positions), for `archs` (N, slots). Raises `InputError`."""
        given = self.options(archs)
        found = np.zeros((len(given), len(self.positions)), np.int64)
        for index, position in enumerate(self.positions):
            for slot in position.slots:
                found[:, index] = found[:, index] * self.choices[slot] + given[:, slot]
        return found

    def blocks_of(self, arch: Arch) -> Iterator[Block]:
        """The block at every position in order, skips included."""
        picks = self.picks([self.check(arch)])[0].tolist()
        return (position.candidates[pick] for position, pick in zip(self.positions, picks, strict=True))

    def derive(self, arch: Arch) -> Net:
        """The network of `arch`. A chosen skip is the identity, so the network is the rest without it."""
        blocks = tuple(block for block in self.blocks_of(arch) if block.op != "skip")
        return Net(blocks, name=f"{self.name}:{'-'.join(map(str, arch))}", eps=self.eps)

    def blocks(self) -> tuple[Block, ...]:
        """Every distinct block that a network of this space can hold, in order of first appearance."""
        return tuple(dict.fromkeys(b for position in self.positions for b in position.candidates if b.op != "skip"))

    def least(self, cost: Callable[[Block], float]) -> Arch:
        """The architecture with the least sum of `cost` over its blocks, skips included; exact."""
        factors = []
        for position in self.positions:
            shape = [self.choices[slot] for slot in position.slots]
            factors.append((position.slots, np.array([cost(block) for block in position.candidates]).reshape(shape)))
        return least(factors, self.choices)

    @cached_property
    def smallest(self) -> Arch:
        """The architecture of fewest MACs."""
        return self.least(lambda block: block.macs)

    @cached_property
    def largest(self) -> Arch:
        """The architecture of most MACs."""
        return self.least(lambda block: -block.macs)

    def encode(self, arch: Arch) -> np.ndarray:
        """One-hot rows, shape (slots, widest slot), float32. Narrower slots are padded with zeros."""
        encoded = np.zeros((len(self.slots), max(self.choices)), np.float32)
        encoded[np.arange(len(self.slots)), self.check(arch)] = 1
        return encoded

    def decode(self, weights: np.ndarray) -> Arch:
        """The architecture with the largest weight in each row of an array shaped like `encode`'s."""
        return self.check(tuple(int(row[:n].argmax()) for row, n in zip(weights, self.choices, strict=True)))

    def sample(self, rng: np.random.Generator) -> Arch:
        """An architecture drawn uniformly: each slot for itself."""
        return tuple(int(i) for i in rng.integers(0, self.choices))

    def neighbours(self, arch: Arch) -> Iterator[Arch]:
        """Every architecture that differs from `arch` in exactly one slot."""
        self.check(arch)
        for slot, n in enumerate(self.choices):
            yield from ((*arch[:slot], i, *arch[slot + 1 :]) for i in range(n) if i != arch[slot])
