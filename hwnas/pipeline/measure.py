"""The measuring stage: a model in, its latency on a device out."""

import tempfile
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from .. import devices
from ..devices.base import Breakdown, Device, DeviceInfo
from ..devices.model_inputs import batch_of, fix_sizes
from ..errors import InputError
from ..latency import measure as latency
from ..latency.graph import save
from ..latency.stats import Estimate
from ..progress import Progress, show_progress
from ..references import nearest_text
from ..space import published, zoo

KEY = "model"

MODEL, NET = "model.onnx", "net.json"
"""The files of a bundle, a search or a training that are measured, the first of them that is there."""


@dataclass(frozen=True)
class MeasureResult:
    """The latency of `target` on `device`, where the reference network takes `reference_seconds`.

    It is that of one run, of `device.batch` images: 1, unless the model was made for more. `random_weights` is whether
    `target` told a network alone, whose weights were drawn; `model` is the file, or the name, that was measured of it.
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
    model: str = ""
    random_weights: bool = False

    @property
    def ms_per_image(self) -> float:
        """The latency over the images of a run, in ms."""
        return self.latency.ms / self.device.batch


def measure(
    target: str | PathLike[str],
    device: str = "cpu",
    *,
    threads: int | None = None,
    precision: float = 0.01,
    time_limit: float = 30.0,
    reference_seconds: float | None = None,
    size: int | None = None,
    progress: Progress = True,
) -> MeasureResult:
    """Measure `target`: any ONNX file, the folder of a bundle, or a network without weights, which is given random
    ones: the JSON of a `Net`, a published `net.config`, the folder of a search or a training, or the name of a network
    of the zoo.

    `device` is a name, or the path of a device file; `threads` instead of what that says. Stops once the 95 % interval
    is within ±`precision`, or after `time_limit` seconds. `reference_seconds` is the reference time of an earlier
    measurement or table to compare with. `size` is that of the sizes that the inputs of an ONNX file leave free, such
    as height and width; a free batch is 1. Raises `InputError` for a target that is none of these, or does not run.
    """
    path = Path(target)
    with tempfile.TemporaryDirectory() as folder, devices.get(device, threads) as running:
        source = _source(path)
        model = _model(source, Path(folder))
        random_weights = model != source
        if size is not None:
            model = fix_sizes(model, size, Path(folder))
        with show_progress("measure", 1, progress) as report:
            found = latency.measure(
                running,
                {KEY: model},
                precision=precision,
                time_limit=time_limit,
                reference_seconds=reference_seconds,
                report=report,
            )
        info = replace(running.info, batch=batch_of(model))  # before the breakdown, which may end the device
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
        model=str(source),
        random_weights=random_weights,
    )


def _breakdown(device: Device, model: Path) -> tuple[Breakdown | None, str]:
    """Where the time of `model` goes, or why the device cannot tell: that is no reason to fail."""
    try:
        return device.breakdown(model), ""
    except InputError as error:
        return None, str(error)


def _source(target: Path) -> Path:
    """The file or the name of the zoo to measure: `target`, or what is in its folder."""
    if not target.exists() and str(target) in zoo.names():
        return target
    if target.is_dir():
        found = next((path for path in (target / MODEL, target / NET) if path.is_file()), None)
        if found is None:
            message = f"{target} holds neither {MODEL}, as a bundle does, nor {NET}, as a finished search or training"
            raise InputError(message, code="measure.target", target=str(target))
        return found
    if not target.is_file():
        wanted = "an ONNX file, the folder of a bundle, search or training, the JSON of a network, or a name of"
        message = f"{target} is not a file{nearest_text(str(target), zoo.names())}: give {wanted} `hwnas zoo`"
        raise InputError(message, code="measure.target", target=str(target))
    return target


def _model(source: Path, folder: Path) -> Path:
    """The ONNX file of `source`, made in `folder` where it tells a network alone."""
    if not source.exists():
        return save(zoo.get(str(source)), folder / "network.onnx")
    if source.suffix.lower() in (".json", ".config"):
        return save(published.read(source), folder / "network.onnx")
    return source
