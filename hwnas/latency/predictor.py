"""Latency of any architecture of a space from its table: an affine function of which candidate each slot takes."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from scipy.stats import t as student

from ..errors import InputError
from ..space.net import Net
from ..space.space import Arch, SearchSpace, Slot
from .table import LatencyTable, row, total

Array = TypeVar("Array")
"""numpy.ndarray or torch.Tensor."""


class TablePredictor:
    """latency = `fixed` + the sum of `costs` of the chosen candidates, in ms, already calibrated by the table's checks.

    `costs` has shape (slots, widest slot): 0 for a skip, NaN where a slot is narrower. Raises `InputError` for a
    table of another space, and naming the row where one is missing.
    """

    def __init__(self, space: SearchSpace, table: LatencyTable) -> None:
        table.require(space)
        self.space, self.table = space, table
        overhead, scale = table.overhead.ms, table.fit.scale
        self.costs = np.full((len(space.slots), max(space.choices)), np.nan)
        for slot, part in enumerate(space.slots):
            for index, block in enumerate(part.candidates):
                skip = block.op == "skip"
                self.costs[slot, index] = 0.0 if skip else scale * (row(table.rows, block).ms - overhead)
        always = [part for part in space.parts if not isinstance(part, Slot)]
        self.fixed = float(table.fit(np.float64(total(always, table.rows, overhead))))

    def cost(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """Predicted ms of each of `archs`, shape (N, slots) to (N,). Raises `InputError` for none of this space."""
        picks = np.atleast_2d(np.asarray(archs, dtype=np.int64))
        if picks.shape[1:] != (len(self.costs),) or not ((picks >= 0) & (picks < self.space.choices)).all():
            raise InputError(
                f"not architectures of {self.space.name}, whose slots have {self.space.choices} candidates"
            )
        return self.fixed + self.costs[np.arange(len(self.costs)), picks].sum(axis=1)

    def expected(self, probs: Array) -> Array:
        """Expected ms under independent probabilities (slots, widest slot); torch in, torch out, differentiable.

        What stands beyond the end of a narrower slot is not looked at.
        """
        costs = np.nan_to_num(self.costs)
        if not isinstance(probs, np.ndarray):
            costs = probs.new_tensor(costs)
        return self.fixed + (probs * costs).sum()

    def interval(self, archs: Sequence[Arch] | np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Where a measurement of each of `archs` falls in `level` of cases, in ms: from the errors of the checks.

        Errors are taken as normal and relative; two parameters were fitted to the checks, which Student's t allows for.
        """
        count = len(self.table.checks)
        spread = self.table.fit.rmspe * np.sqrt(count / (count - 2)) * np.sqrt(1 + 1 / count)
        half = student.ppf((1 + level) / 2, count - 2) * spread
        cost = self.cost(archs)
        return cost * (1 - half), cost * (1 + half)

    def range(self) -> tuple[float, float]:
        """Predicted ms of the fastest and of the slowest network of the space."""
        return tuple(float(self.fixed + pick(self.costs, axis=1).sum()) for pick in (np.nanmin, np.nanmax))

    def predict(self, net: Net) -> float:
        """Predicted ms of a network made of blocks of the table. Raises `InputError` naming one that is not there."""
        return float(self.table.fit(np.float64(total(net.blocks, self.table.rows, self.table.overhead.ms))))
