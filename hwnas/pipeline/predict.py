"""The predicting stage: a latency table and architectures in, their predicted latency with its interval out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from ..devices.base import DeviceInfo
from ..errors import InputError
from ..latency.predictor import LatencyPredictor
from ..latency.quality import Quality
from ..latency.table import LatencyTable, load, read_arch, write_arch
from ..latency.tables import find_table, space_of
from ..space import published
from ..space.net import Net
from ..space.recognise import find_arch
from ..space.space import Arch, SearchSpace

NET = "net.json"
"""The network in the folder of a search."""


@dataclass(frozen=True)
class Prediction:
    """The predicted `ms` of `arch` (indices joined by "-"), and its interval."""

    arch: str
    ms: float
    low: float
    high: float


@dataclass(frozen=True)
class PredictResult:
    """Predictions for `device`, from the file `table` and those `borrowed`.

    The share `level` of measurements falls into the intervals. `quality` is the predictor's error on networks that it
    had not seen; `flags` are the table's, and what to know of published figures.
    """

    table: str
    borrowed: tuple[str, ...]
    device: DeviceInfo
    space: str
    level: float
    networks: tuple[Prediction, ...]
    quality: Quality
    flags: tuple[str, ...]


def predict(
    table: str | PathLike[str],
    archs: Sequence[str | PathLike[str] | Arch],
    *,
    level: float = 0.9,
    borrow: Sequence[str | PathLike[str]] = (),
    space: str | SearchSpace | None = None,
) -> PredictResult:
    """Predict the latency of `archs` on the device of `table` (a path, or the name of one of `hwnas tables`).

    Each is a tuple of indices, or text of them joined by "-", or the JSON of a network of the table's space, or the
    folder of a search. `borrow` are tables of the same space on other devices to learn from as well, which takes up to
    a minute. `space` is the caller's own reference to the space, where that of the table is not built in or installed.
    Raises `InputError` for anything else.
    """
    if not 0 < level < 1:
        raise InputError(
            f"a level is a share between 0 and 1, such as 0.9, not {level:g}", code="predict.level", level=level
        )
    if not archs:
        raise InputError("there are no architectures to predict", code="predict.nothing")
    path = find_table(table)
    latencies = load(path)
    found_space = space_of(latencies, space)
    picked = [_arch(one, latencies, found_space, space) for one in archs]
    others = {str(other): load(other) for other in map(find_table, borrow)}
    if latencies in others.values():  # its held-out networks would not be unseen
        raise InputError(
            f"{path} is to borrow from itself: name tables of other devices", code="predict.borrow", table=str(path)
        )
    return _result(path, latencies, found_space, picked, others, level)


def _result(
    path: Path,
    latencies: LatencyTable,
    space: SearchSpace,
    archs: Sequence[Arch],
    others: Mapping[str, LatencyTable],
    level: float,
) -> PredictResult:
    predictor = latencies.predictor(space, others)
    found = zip(map(write_arch, archs), predictor.cost(archs), *predictor.interval(archs, level), strict=True)
    return PredictResult(
        table=str(path),
        borrowed=tuple(others),
        device=latencies.device,
        space=space.name,
        level=level,
        networks=tuple(Prediction(arch, *map(float, figures)) for arch, *figures in found),
        quality=_quality(predictor, latencies),
        flags=latencies.notes,
    )


def _quality(predictor: LatencyPredictor, table: LatencyTable) -> Quality:
    """The quality of a predictor fitted anew, beside the noise of the same networks, or the one that is stored."""
    if predictor.quality is None:
        return table.quality
    return replace(predictor.quality, noise=table.quality.noise, ceiling=table.quality.ceiling)


def _arch(
    one: str | PathLike[str] | Arch, table: LatencyTable, space: SearchSpace, given: str | SearchSpace | None
) -> Arch:
    """The architecture that `one`, as `predict` takes it, stands for; `given` is the caller's reference to `space`."""
    if isinstance(one, tuple):
        return space.check(one)
    path = Path(one)
    if path.is_dir():
        path /= NET
    if path.suffix.lower() not in (".json", ".config"):
        return space.check(read_arch(str(path)))
    net = published.read(path)
    if table.origin is not None:
        # the same slots; as a search takes it, the classifier's latency is that of the published number of classes
        space = space_of(table, given, net.classes)
    return arch_of(space, net, path)


def arch_of(space: SearchSpace, net: Net, where: object = "network") -> Arch:
    """The architecture of `space` that makes `net`: of several the one that it is named after, or else the first.

    Raises `InputError` naming `where` for a network that the space does not make.
    """
    named = _named(net.name, space)
    found = named if named and space.derive(named).blocks == net.chain else find_arch(space, net.chain)
    if found is None:
        raise InputError(
            f"{where} is not a network of {space.name} with {space.classes} classes",
            code="predict.other-network", where=str(where), space=space.name, classes=space.classes,
        )  # fmt: skip
    return found


def _named(name: str, space: SearchSpace) -> Arch | None:
    """The architecture in the name of a network, if it holds one."""
    try:
        return space.check(read_arch(name.removeprefix(f"{space.name}:")))
    except InputError:
        return None
