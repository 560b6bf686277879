"""Measure models on a device until the estimates are as precise as asked, or the time is up."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..devices.base import Device
from ..errors import InputError
from ..progress import Report, silent
from ..space.net import Net
from .graph import save
from .samples import Samples
from .session import REFERENCE_KEY, Measurement, Session
from .stats import Estimate

__all__ = ["Measurement", "measure", "measure_nets"]


def measure(
    device: Device,
    models: Mapping[str, Path],
    *,
    precision: float = 0.01,
    time_limit: float = 60.0,
    seed: int = 0,
    reference_seconds: float | None = None,
    samples: Samples | None = None,
    report: Report = silent,
    on_round: Callable[[Samples], None] = lambda samples: None,
) -> Measurement:
    """Measure every model of `models` (ONNX files by key) on a device that is up.

    Stops when the half-width of every 95 % interval, the reference time taken as exact, is under `precision` of its
    estimate, or after `time_limit` seconds of measuring, but never before `MIN_ROUNDS` rounds. Estimates are scaled to
    the session's own reference time, whose uncertainty then is part of their intervals, or to `reference_seconds`: that
    of an earlier session makes the two comparable although the clock has changed in between. `samples` continues an
    interrupted session; `on_round` is called after each round with all samples so far; `report` with the number of
    models that are precise enough. Raises `InputError` for a model that does not run.
    """
    _require_request(models, precision, time_limit)
    session = Session(device, samples)
    for key, path in models.items():
        session.load(key, path)
        session.warm_up(key)
    found = session.measure(
        precision=precision,
        time_limit=time_limit,
        seed=seed,
        reference_seconds=reference_seconds,
        report=report,
        on_round=on_round,
    )
    session.close()
    return found


def _require_request(models: Mapping[str, Path], precision: float, time_limit: float) -> None:
    """Raise `InputError` for nothing to measure, and for limits that no session meets."""
    if REFERENCE_KEY in models or not models:
        raise InputError(f"there must be models to measure, none named {REFERENCE_KEY!r}", code="measure.models")
    if not (precision > 0 and time_limit > 0):
        raise InputError(
            f"precision {precision} and time limit {time_limit} must both be above 0",
            code="measure.limits", precision=precision, time_limit=time_limit,
        )  # fmt: skip


def measure_nets(
    device: Device,
    nets: Sequence[Net],
    *,
    precision: float = 0.01,
    time_limit: float = 60.0,
    reference_seconds: float | None = None,
    report: Report = silent,
) -> list[Estimate]:
    """The latency of each of `nets` with random weights, in order; the rest is as `measure` takes it."""
    with tempfile.TemporaryDirectory() as folder:
        models = {str(index): save(net, Path(folder) / f"{index}.onnx") for index, net in enumerate(nets)}
        found = measure(
            device,
            models,
            precision=precision,
            time_limit=time_limit,
            reference_seconds=reference_seconds,
            report=report,
        ).estimates
    return [found[key] for key in models]
