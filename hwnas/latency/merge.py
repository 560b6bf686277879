"""Two measured tables of one device and space as one."""

from dataclasses import replace

from ..errors import InputError
from ..space.space import SearchSpace
from .compare import require_one_space
from .learn import doubts, learn
from .stats import Estimate
from .table import LatencyTable, Networks


def merged(first: LatencyTable, second: LatencyTable, space: SearchSpace) -> LatencyTable:
    """What both tables of `space` know, told at the pace of the first, with the predictor learned anew.

    Of a block or network that both have, the estimate with the narrower interval is kept (relative to itself; the
    first's where they are alike): the two are not averaged, as a session that was disturbed would then spoil the other.
    Raises `InputError` for tables of another space or device, and for published ones, which tell no interval.
    """
    _require_alike(first, second)
    factor = first.reference_seconds / second.reference_seconds
    rows = _narrower(first.rows, {key: _told(row, factor) for key, row in second.rows.items()})
    networks = _networks(first.networks, second.networks, factor)
    overhead = min(first.overhead, _told(second.overhead, factor), key=lambda estimate: estimate.precision)
    model, quality = learn(space, networks, rows, overhead)
    table = replace(
        first,
        date=max(first.date, second.date),
        networks=networks,
        model=model,
        quality=quality,
        rows=rows,
        overhead=overhead,
        precision=max(first.precision, second.precision),
        seconds=first.seconds + second.seconds,
    )
    return replace(table, flags=tuple(dict.fromkeys((*first.flags, *second.flags, *doubts(table, space)))))


def _require_alike(first: LatencyTable, second: LatencyTable) -> None:
    """Raise `InputError` unless both were measured, on one device, of one space."""
    require_one_space(first, second)
    for table in (first, second):
        measured = (table.reference, table.precision, table.seconds, table.overhead)
        if None in measured or not (table.networks.low and table.networks.high and table.networks.halves):
            raise InputError(f"a table of {table.device.device} does not hold how it was measured: it cannot be merged")
    if differences := first.device.differences(second.device):
        raise InputError(f"tables of different devices cannot be merged: {'; '.join(differences)}")


def _told(estimate: Estimate, factor: float) -> Estimate:
    """The estimate at another pace. What the clock said stays as it was."""
    return replace(estimate, ms=estimate.ms * factor, low=estimate.low * factor, high=estimate.high * factor)


def _narrower(ours: dict[str, Estimate], theirs: dict[str, Estimate]) -> dict[str, Estimate]:
    """Every entry of either, and of those in both the one with the narrower interval."""
    better = {key: row for key, row in theirs.items() if key not in ours or row.precision < ours[key].precision}
    return {**ours, **better}


Row = tuple[float, float, float, tuple[float, float]]
"""Of a network: ms, low, high and halves."""


def _networks(first: Networks, second: Networks, factor: float) -> Networks:
    """The networks of both, by the same rule as for blocks."""
    found = _by_arch(first, 1.0)
    for arch, row in _by_arch(second, factor).items():
        if arch not in found or _width(row) < _width(found[arch]):
            found[arch] = row
    return Networks(tuple(found), *map(tuple, zip(*found.values(), strict=True)))


def _by_arch(networks: Networks, factor: float) -> dict[str, Row]:
    columns = (networks.ms, networks.low, networks.high)
    scaled = ([value * factor for value in column] for column in columns)
    halves = [(one * factor, other * factor) for one, other in networks.halves]
    return dict(zip(networks.archs, zip(*scaled, halves, strict=True), strict=True))


def _width(row: Row) -> float:
    return (row[2] - row[1]) / row[0]
