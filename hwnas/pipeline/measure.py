"""The measuring stage: a model in, its latency on a device out."""

import tempfile
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from .. import devices
from ..devices.base import Breakdown, Device, DeviceInfo
from ..errors import InputError
from ..latency import measure as latency
from ..latency.graph import save
from ..latency.stats import Estimate
from ..progress import Progress, show_progress
from ..space import published, zoo

KEY = "model"


@dataclass(frozen=True)
class MeasureResult:
    """The latency of `target` at batch 1 on `device`, where the reference network takes `reference_seconds`.

    `exact` is whether its interval came within the precision that was asked for before the time was up, and `flags` say
    what did not go as it should. `breakdown` holds where time and memory go; where the device cannot tell, it is None
    and `no_breakdown` says why.
    """

    target: str
    device: DeviceInfo
    latency: Estimate
    reference_seconds: float
    exact: bool
    flags: tuple[str, ...]
    breakdown: Breakdown | None
    no_breakdown: str = ""


def measure(
    target: str | PathLike[str],
    device: str = "cpu",
    *,
    threads: int | None = None,
    precision: float = 0.01,
    time_limit: float = 30.0,
    reference_seconds: float | None = None,
    progress: Progress = True,
) -> MeasureResult:
    """Measure `target`: any ONNX file, a bundle's folder, or a network without weights, which is given random ones: the
    JSON of a `Net`, a published `net.config`, or the name of a network of the zoo.

    `device` is a name, or the path of a device file; `threads` instead of what that says. Stops once the 95 % interval
    is within ±`precision`, or after `time_limit` seconds. `reference_seconds` is the reference time of an earlier
    measurement or table to compare with. Raises `InputError` for a target that is none of these, or does not run.
    """
    path = Path(target)
    with tempfile.TemporaryDirectory() as folder, devices.get(device, threads) as running:
        model = _model(path, Path(folder))
        with show_progress("measure", 1, progress) as report:
            found = latency.measure(
                running,
                {KEY: model},
                precision=precision,
                time_limit=time_limit,
                reference_seconds=reference_seconds,
                report=report,
            )
        info = running.info  # before the breakdown, which may end the device
        breakdown, no_breakdown = _breakdown(running, model)
    return MeasureResult(
        target=str(path),
        device=info,
        latency=found.estimates[KEY],
        reference_seconds=found.reference_seconds,
        exact=not found.imprecise,
        flags=found.flags,
        breakdown=breakdown,
        no_breakdown=no_breakdown,
    )


def _breakdown(device: Device, model: Path) -> tuple[Breakdown | None, str]:
    """Where the time of `model` goes, or why the device cannot tell: that is no reason to fail."""
    try:
        return device.breakdown(model), ""
    except InputError as error:
        return None, str(error)


def _model(target: Path, folder: Path) -> Path:
    """The ONNX file of `target`, made in `folder` where there is none yet."""
    if not target.exists() and str(target) in zoo.names():
        return save(zoo.get(str(target)), folder / "network.onnx")
    if target.is_dir():
        from ..deploy.bundle import MODEL  # here, as it loads torch, which nothing else needs for measuring

        target = target / MODEL
    if not target.is_file():
        wanted = "an ONNX file, a bundle's folder, the JSON of a network, or a name of `hwnas zoo`"
        raise InputError(f"{target} is not a file: give {wanted}", code="measure.target", target=str(target))
    if target.suffix.lower() not in (".json", ".config"):
        return target
    return save(published.read(target), folder / "network.onnx")
