"""A space with the published accuracy and the cost of every network, and what is allowed of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..accuracy.published import PublishedAccuracies
from ..errors import InputError
from ..latency.candidates import Candidates
from ..latency.tables import load_table
from ..space.space import Arch, SearchSpace
from ..strategies.limit import Limit


@dataclass(frozen=True)
class Bench:
    """All figures of `space`, as arrays with an axis for each slot that are indexed by an architecture.

    `accuracy` is the mean over trainings, 0 to 1, and `trials` has an axis more for the single ones. `cost` is in
    `unit`, "ms" or "MACs"; no more than `high` of it is allowed. A strategy is told the mean or, with `single`, one of
    the trainings. `identity`, of JSON values, is all that this depends on.
    """

    space: SearchSpace
    accuracy: np.ndarray
    trials: np.ndarray
    cost: np.ndarray
    unit: str
    high: float
    single: bool
    identity: dict[str, Any]

    @staticmethod
    def load(
        table: str | Path, latency: str | Path | None, limit_ms: float | None, limit_macs: float | None, single: bool
    ) -> "Bench":
        """Read the accuracies of `table`. The cost is the ms that the `latency` table predicts, or without one MACs.

        Raises `InputError` for a file of another kind or space, and for a limit on what is not the cost.
        """
        if limit_ms is not None and latency is None:
            raise InputError("a limit in ms needs a latency table to predict with", code="compare.no-latency-table")
        if limit_macs is not None and latency is not None:
            raise InputError("with a latency table the limit is in ms, not in MACs", code="compare.limit-unit")
        published = PublishedAccuracies.load(table)
        space, high = published.space, limit_macs if latency is None else limit_ms
        archs = np.array(list(np.ndindex(space.choices)))
        trials = np.array([published.trials(arch) for arch in archs])
        cost, source = (_macs(space, archs), "MACs") if latency is None else _ms(space, archs, latency)
        return Bench(
            space=space,
            accuracy=trials.mean(axis=1).reshape(space.choices),
            trials=trials.reshape(*space.choices, -1),
            cost=cost.reshape(space.choices),
            unit="MACs" if latency is None else "ms",
            high=inf if high is None else high,
            single=single,
            identity={"table": published.digest, "cost": source, "limit": high, "single": single},
        )

    @cached_property
    def limit(self) -> Limit:
        """What a strategy may ask."""
        return Limit(self.space, self.costs, self.high)

    def costs(self, archs: Sequence[Arch]) -> np.ndarray:
        """The cost of each of `archs`, (N, slots) to (N,)."""
        costs: np.ndarray = self.cost[self.indices(archs)]
        return costs

    def indices(self, archs: Sequence[Arch]) -> tuple[np.ndarray, ...]:
        """Where `archs` (N, slots) are in the arrays: an index array (N,) for each slot."""
        return tuple(np.reshape(archs, (-1, self.cost.ndim)).T.astype(int))

    def scores(self, seed: int) -> np.ndarray:
        """The score of every architecture in the run of `seed`, the same whenever it is asked for again."""
        if not self.single:
            return self.accuracy
        rng = np.random.default_rng((1, seed))  # a strategy has a generator of `seed` itself
        chosen = rng.integers(self.trials.shape[-1], size=self.accuracy.shape)
        scores: np.ndarray = np.take_along_axis(self.trials, chosen[..., None], axis=-1)[..., 0]
        return scores


def _macs(space: SearchSpace, archs: np.ndarray) -> np.ndarray:
    """The MACs of each of `archs` (N, slots): (N,)."""
    candidates = Candidates.of(space)
    fixed = sum(position.candidates[0].macs for position in space.positions if not position.slots)
    return fixed + candidates.sums(np.array([float(block.macs) for block in candidates.blocks]), archs)


def _ms(space: SearchSpace, archs: np.ndarray, latency: str | Path) -> tuple[np.ndarray, str]:
    """The predicted ms of each of `archs` (N, slots), (N,), and the identity of the table that predicts them."""
    table = load_table(latency)
    return table.predictor(space).cost(archs), table.identity
