"""Two tables of one space: how far they are from each other, in what was measured and in what is predicted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from ..errors import InputError
from ..space.space import SearchSpace
from .active import draw
from .table import LatencyTable, write_arch

WORST = 5
"""Entries that are named, those furthest from each other."""

DRAWN = 1000
"""Random networks, over the whole range of the space, whose predictions are compared."""


@dataclass(frozen=True)
class Apart:
    """How far the second is from the first over `count` entries that both have: |second / first - 1|, its median, its
    largest, and `worst`, (name, ms of the first, ms of the second) of the furthest."""

    count: int
    median: float
    largest: float
    worst: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Comparison:
    """`identity` says what the figures depend on and is not the same, as "what: first's, not second's".

    Differences of blocks, networks and predictions are each `at their paces`, as the tables tell them, and `at one
    pace`, the first's, which takes out how fast the machine happened to be. `at_one_pace` is empty where a table is
    published and has no pace, and what the tables do not have in common is left out. `spearman` is the rank
    correlation of the predictions.
    """

    identity: tuple[str, ...]
    at_their_paces: dict[str, Apart]
    at_one_pace: dict[str, Apart]
    spearman: float


def compare(first: LatencyTable, second: LatencyTable, space: SearchSpace) -> Comparison:
    """What differs between two tables of `space`. Raises `InputError` where one is of another space."""
    require_one_space(first, second)
    archs = draw(space, DRAWN, seed=0)
    costs = [table.predictor(space).cost(archs) for table in (first, second)]
    ours, theirs = (
        {
            "blocks": {key: row.ms for key, row in table.rows.items()},
            "networks": dict(zip(table.networks.archs, table.networks.ms, strict=True)),
            "predictions": dict(zip(map(write_arch, archs), cost.tolist(), strict=True)),
        }
        for table, cost in zip((first, second), costs, strict=True)
    )
    both_paced = first.reference is not None and second.reference is not None
    return Comparison(
        identity=_identity(first, second),
        at_their_paces=_apart(ours, theirs, 1.0),
        at_one_pace=_apart(ours, theirs, first.reference_seconds / second.reference_seconds) if both_paced else {},
        spearman=float(spearmanr(*costs).statistic),
    )


def require_one_space(first: LatencyTable, second: LatencyTable) -> None:
    """Raise `InputError` unless both tables are of one space."""
    if first.fingerprint != second.fingerprint:
        texts = [f"{table.space} of {table.classes} classes" for table in (first, second)]
        raise InputError(f"the tables are of different spaces: {' and '.join(texts)}")


def _identity(first: LatencyTable, second: LatencyTable) -> tuple[str, ...]:
    """What the figures of each depend on, where it is not the same."""
    mine, others = (
        {
            "date": table.date,
            "precision": table.precision or "not told",
            "pace": f"{table.reference.ms:.4g} ms" if table.reference else "not told",
            "origin": table.origin.source if table.origin else "measured",
        }
        for table in (first, second)
    )
    differences = [f"{name}: {mine[name]}, not {others[name]}" for name in mine if mine[name] != others[name]]
    return (*first.device.differences(second.device), *differences)


def _apart(
    ours: Mapping[str, Mapping[str, float]], theirs: Mapping[str, Mapping[str, float]], factor: float
) -> dict[str, Apart]:
    """How far `theirs`, times `factor`, are from `ours`, for each kind of which there are some in both."""
    found = {}
    for kind in ours:
        both = [(key, ms, theirs[kind][key] * factor) for key, ms in ours[kind].items() if key in theirs[kind]]
        if both:
            far = np.array([abs(other / ms - 1) for _, ms, other in both])
            worst = tuple(both[index] for index in np.argsort(-far)[:WORST])
            found[kind] = Apart(len(both), float(np.median(far)), float(far.max()), worst)
    return found
