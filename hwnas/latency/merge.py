"""Merge two measured tables of one device and space."""

from dataclasses import replace
from typing import NamedTuple

from ..errors import InputError
from ..space.space import SearchSpace
from .compare import require_one_space
from .learn import learn, sanity_flags
from .stats import Estimate
from .table import LatencyTable, Networks


def merge_tables(first: LatencyTable, second: LatencyTable, space: SearchSpace) -> LatencyTable:
    """All estimates of both tables of `space`, at the reference time of the first, with the predictor fitted anew.

    Of a block or network that both have, the estimate with the narrower relative interval is kept, the first's where
    they are alike. The two are not averaged, as a session that was disturbed would then spoil the other. Raises
    `InputError` for tables of another space or device, and for published ones, which have no intervals.
    """
    require_one_space(first, second)
    ours, theirs = _session_of(first), _session_of(second)
    if differences := first.device.differences(second.device):
        raise InputError(
            f"tables of different devices cannot be merged: {'; '.join(differences)}",
            code="table.other-device", differences=differences,
        )  # fmt: skip
    factor = first.reference_seconds / second.reference_seconds
    rows = _narrower(first.rows, {key: _rescaled(row, factor) for key, row in second.rows.items()})
    networks = _networks(first.networks, second.networks, factor)
    overhead = min(ours.overhead, _rescaled(theirs.overhead, factor), key=lambda estimate: estimate.precision)
    model, quality = learn(space, networks, rows, overhead)
    table = replace(
        first,
        date=max(first.date, second.date),
        networks=networks,
        model=model,
        quality=quality,
        rows=rows,
        overhead=overhead,
        precision=max(ours.precision, theirs.precision),
        seconds=ours.seconds + theirs.seconds,
    )
    return replace(table, flags=tuple(dict.fromkeys((*first.flags, *second.flags, *sanity_flags(table, space)))))


class _Session(NamedTuple):
    """What only a measured table has."""

    overhead: Estimate
    precision: float
    seconds: float


def _session_of(table: LatencyTable) -> _Session:
    """How `table` was measured. Raises `InputError` where it does not say."""
    networks = table.networks
    intervals = networks.low and networks.high and networks.halves
    overhead, precision, seconds = table.overhead, table.precision, table.seconds
    if not intervals or table.reference is None or overhead is None or precision is None or seconds is None:
        raise InputError(
            f"a table of {table.device.device} does not hold how it was measured: it cannot be merged",
            code="table.not-measured", device=table.device.device,
        )  # fmt: skip
    return _Session(overhead, precision, seconds)


def _rescaled(estimate: Estimate, factor: float) -> Estimate:
    """The estimate at another reference time; the raw times stay as they were."""
    return replace(estimate, ms=estimate.ms * factor, low=estimate.low * factor, high=estimate.high * factor)


def _narrower(ours: dict[str, Estimate], theirs: dict[str, Estimate]) -> dict[str, Estimate]:
    """Every entry of either, and of those in both the one with the narrower interval."""
    better = {key: row for key, row in theirs.items() if key not in ours or row.precision < ours[key].precision}
    return {**ours, **better}


class _Network(NamedTuple):
    """The columns of `Networks` of one network."""

    ms: float
    low: float
    high: float
    halves: tuple[float, float]

    @property
    def relative_width(self) -> float:
        """The width of the interval relative to the estimate."""
        return (self.high - self.low) / self.ms


def _networks(first: Networks, second: Networks, factor: float) -> Networks:
    """The networks of both, by the same rule as for blocks."""
    found = _by_arch(first, 1.0)
    for arch, network in _by_arch(second, factor).items():
        if arch not in found or network.relative_width < found[arch].relative_width:
            found[arch] = network
    return Networks(
        archs=tuple(found),
        ms=tuple(network.ms for network in found.values()),
        low=tuple(network.low for network in found.values()),
        high=tuple(network.high for network in found.values()),
        halves=tuple(network.halves for network in found.values()),
    )


def _by_arch(networks: Networks, factor: float) -> dict[str, _Network]:
    columns = zip(networks.archs, networks.ms, networks.low, networks.high, networks.halves, strict=True)
    return {
        arch: _Network(ms * factor, low * factor, high * factor, (halves[0] * factor, halves[1] * factor))
        for arch, ms, low, high, halves in columns
    }
