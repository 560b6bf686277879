"""Compare two tables of one space: the differences of what was measured and of what is predicted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from ..errors import InputError
from ..space.space import SearchSpace
from .active import sample_architectures
from .table import LatencyTable, write_arch

WORST = 5
"""Entries that are named, those of the largest differences."""

PREDICTIONS = 1000
"""Random networks, over the whole range of the space, whose predictions are compared."""


@dataclass(frozen=True)
class Difference:
    """Relative differences |second / first - 1| over the `count` entries that both have: their median, the largest, and
    `worst`, (name, ms of the first, ms of the second) of the largest."""

    count: int
    median: float
    largest: float
    worst: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Comparison:
    """`identity` lists what the figures depend on and is not the same, as "what: first's, not second's".

    The differences of blocks, networks and predictions are given twice: `at_own_reference`, as the tables have them,
    and `at_same_reference`, those of the second scaled to the reference time of the first, which takes out how fast the
    machine happened to be. The latter is empty where a table is published and has no reference. What the tables do not
    have in common is left out. `spearman` is the rank correlation of the predictions.
    """

    identity: tuple[str, ...]
    at_own_reference: dict[str, Difference]
    at_same_reference: dict[str, Difference]
    spearman: float


def compare(first: LatencyTable, second: LatencyTable, space: SearchSpace) -> Comparison:
    """The differences between two tables of `space`. Raises `InputError` where one is of another space."""
    require_one_space(first, second)
    archs = sample_architectures(space, PREDICTIONS, seed=0)
    costs = [table.predictor(space).cost(archs) for table in (first, second)]
    ours, theirs = (
        {
            "blocks": {key: row.ms for key, row in table.rows.items()},
            "networks": dict(zip(table.networks.archs, table.networks.ms, strict=True)),
            "predictions": dict(zip(map(write_arch, archs), cost.tolist(), strict=True)),
        }
        for table, cost in zip((first, second), costs, strict=True)
    )
    both_measured = first.reference is not None and second.reference is not None
    factor = first.reference_seconds / second.reference_seconds if both_measured else None
    return Comparison(
        identity=_identity(first, second),
        at_own_reference=_differences(ours, theirs, 1.0),
        at_same_reference={} if factor is None else _differences(ours, theirs, factor),
        spearman=float(spearmanr(*costs).statistic),
    )


def require_one_space(first: LatencyTable, second: LatencyTable) -> None:
    """Raise `InputError` unless both tables are of one space."""
    if first.fingerprint != second.fingerprint:
        texts = [f"{table.space} of {table.classes} classes" for table in (first, second)]
        raise InputError(
            f"the tables are of different spaces: {' and '.join(texts)}",
            code="table.other-space", first=first.space, second=second.space,
        )  # fmt: skip


def _identity(first: LatencyTable, second: LatencyTable) -> tuple[str, ...]:
    """What the figures of each depend on, where it is not the same."""
    mine, others = (
        {
            "date": table.date,
            "precision": table.precision or "not told",
            "reference": f"{table.reference.ms:.4g} ms" if table.reference else "not told",
            "origin": table.origin.source if table.origin else "measured",
        }
        for table in (first, second)
    )
    differences = [f"{name}: {mine[name]}, not {others[name]}" for name in mine if mine[name] != others[name]]
    return (*first.device.differences(second.device), *differences)


def _differences(
    ours: Mapping[str, Mapping[str, float]], theirs: Mapping[str, Mapping[str, float]], factor: float
) -> dict[str, Difference]:
    """The differences of `theirs`, times `factor`, from `ours`, for each kind of which there are some in both."""
    found = {}
    for kind in ours:
        both = [(key, ms, theirs[kind][key] * factor) for key, ms in ours[kind].items() if key in theirs[kind]]
        if both:
            far = np.array([abs(other / ms - 1) for _, ms, other in both])
            worst = tuple(both[index] for index in np.argsort(-far)[:WORST])
            found[kind] = Difference(len(both), float(np.median(far)), float(far.max()), worst)
    return found
