"""The candidates of a space in one list: those of every position on which something is decided."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..space.net import Block
from ..space.space import Arch, Position, SearchSpace


@dataclass(frozen=True)
class Candidates:
    """The candidates of `positions`, one position after the other; what is fixed in `space` is not among them.

    `columns` (positions,) are the indices of the positions in the space, and `starts` (positions,) those of their
    first candidates in the list. `owner` (candidates,) is the position that a candidate stands at.
    """

    space: SearchSpace
    columns: np.ndarray
    positions: tuple[Position, ...]
    starts: np.ndarray
    owner: np.ndarray

    @staticmethod
    def of(space: SearchSpace) -> "Candidates":
        """All candidates of `space`."""
        columns = np.array([index for index, position in enumerate(space.positions) if position.slots])
        positions = tuple(space.positions[index] for index in columns)
        widths = [len(position.candidates) for position in positions]
        owner = np.repeat(np.arange(len(widths)), widths)
        return Candidates(space, columns, positions, np.cumsum((0, *widths))[:-1], owner)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The block of every candidate."""
        return tuple(block for position in self.positions for block in position.candidates)

    def shape(self, position: Position) -> tuple[int, ...]:
        """The numbers of options of the slots that decide on `position`: its candidates are a table of this shape."""
        return tuple(self.space.choices[slot] for slot in position.slots)

    def sums(self, values: np.ndarray, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """What `values` (candidates, ...) add up to over the candidates of each of `archs` (N, slots): (N, ...).

        Raises `InputError` for what is no architecture of the space.
        """
        chosen = self.space.picks(archs)[:, self.columns] + self.starts
        total = np.zeros((len(chosen), *values.shape[1:]))
        for candidates in chosen.T:
            total += values[candidates]
        return total
