"""The export stage: a trained run in, a bundle that has been measured and checked out."""

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from .. import devices
from ..deploy.bundle import LABELS, MODEL, PREPROCESSING, Latency, Manifest, Preprocessing, write_bundle
from ..deploy.onnx import export_onnx
from ..deploy.verify import check_agreement, measure_on
from ..devices.base import Device, DeviceInfo
from ..errors import InputError, VerificationError
from ..files import parse, read_json, require_empty
from ..latency.measure import Measurement
from ..search.folder import RECORD as SEARCH
from ..training.data import Dataset, load
from ..training.run import NET, WEIGHTS, read_module, read_net, read_record, versions
from ..training.sources import NAMED


@dataclass(frozen=True)
class Target:
    """What the search aimed at, in milliseconds, and the pace (seconds) that its latency table is told at.

    All are of `device` and hold on no other; where that is not known they are taken to be of the one measured on.
    A device without a pace is one of published latencies, with which no measurement compares.
    """

    __pydantic_config__ = ConfigDict(extra="ignore")  # search.json holds more

    latency_ms: float | None = None
    predicted_ms: float | None = None
    reference_seconds: float | None = None
    device: DeviceInfo | None = None

    def here(self, device: str | None) -> "Target":
        """What of it can be claimed of `device`: of published latencies nothing. Raises `InputError` if there is
        nothing to claim and `device` is not named either."""
        if self.device is None or self.reference_seconds is not None:
            return self
        if device is None:
            raise InputError(
                f"the budget is for {self.device.device}, whose latencies are published and not measured here: "
                "name a device to measure on (--device), and the bundle claims that measurement without the budget"
            )
        return Target()


_TARGET = TypeAdapter(Target)


def export(
    run: str | Path,
    *,
    name: str | None = None,
    out: str | Path = "export",
    device: str | None = None,
    threads: int | None = None,
    data: str | Path | None = None,
    root: Path | None = None,
    target: Target | None = None,
) -> Path:
    """Write the bundle `out`/`name` (by default the run's name) of the trained `run`, and return its path.

    The model is compared with the weights on the test images of `data`: the folder that the run was trained on, where
    that has no name to find it by. `target` is read from the run's `search.json` unless given. The model is measured
    on `device` with `threads`, by default the target's, or one thread of the CPU where that names none. Where the
    target is of published latencies, `device` must be named, and the bundle claims no budget. Raises `InputError`,
    among others for another device than the target's, and `VerificationError` for a model that is not the weights'
    function or not within the budget.
    """
    run = Path(run)
    record, net, module = read_record(run), read_net(run), read_module(run)
    folder = Path(out) / (name or run.resolve().name)
    require_empty(folder)
    target = (target or _target(run)).here(device)
    dataset = dataset_of(record.data, data, net.resolution, root)
    if dataset.fingerprint != record.fingerprint:
        raise InputError(f"{dataset.name} does not hold the images that {run} was trained on")
    model = export_onnx(module, net.resolution)
    agreement = check_agreement(module, model, dataset)
    latency = _measured(model, device, threads, target)
    files = {
        MODEL: model,
        **{file: (run / file).read_bytes() for file in (NET, WEIGHTS)},
        LABELS: _json(record.labels),
        PREPROCESSING: _json(Preprocessing(net.resolution, record.fitting, record.mean, record.std).to_json()),
    }
    manifest = Manifest(
        name=folder.name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        data=record.data,
        fingerprint=record.fingerprint,
        top1=agreement.top1,
        onnx_top1=agreement.onnx_top1,
        max_abs_logit_diff=agreement.max_abs_logit_diff,
        latency=latency,
        versions=versions("hwnas", "torch", "onnx", "onnxscript", "onnxruntime"),
        files={},
    )
    write_bundle(folder, files, manifest)
    return folder


def dataset_of(recorded: str, data: str | Path | None, resolution: int, root: Path | None) -> Dataset:
    """The data set `recorded` in a run or a bundle, or `data` in its place. Raises `InputError` if that is missing."""
    if data is None and recorded not in NAMED:
        raise InputError(f"the data set {recorded} is a folder of images: give its path again (--data)")
    return load(data or recorded, resolution, root)


def _target(run: Path) -> Target:
    """What the search noted, if the network of `run` came from one."""
    path = run / SEARCH
    return parse(_TARGET, read_json(path, "search record"), path) if path.exists() else Target()


def _measured(model: bytes, device: str | None, threads: int | None, target: Target) -> Latency:
    """The latency of `model` on the device, told at the pace of the search if there is one, and within its budget."""
    if device is None:
        device = target.device.device if target.device else "cpu"
    if threads is None:
        threads = target.device.threads if target.device else 1
    with tempfile.TemporaryDirectory() as folder, devices.get(device, threads) as running:
        _require_same(running.info, target.device or running.info)
        path = Path(folder) / MODEL
        path.write_bytes(model)
        found = _within(running, path, target)
        return Latency(
            running.info, found.estimates[MODEL], found.reference_seconds, target.latency_ms, target.predicted_ms
        )


def _require_same(info: DeviceInfo, aimed: DeviceInfo) -> None:
    """Raise `InputError` where the device `info` is another than the search aimed at: its figures say nothing here."""
    if told := "; ".join(info.differences(aimed)):
        raise InputError(f"the search was for another device ({told}): give the same one, or profile and search again")


def _within(running: Device, model: Path, target: Target) -> Measurement:
    """The latency of `model` within the budget, at the second attempt if not at the first."""
    budget, seen = target.latency_ms, []
    for _ in range(2):
        found = measure_on(running, model, target.reference_seconds)
        seen.append(found.estimates[MODEL].ms)
        if budget is None or seen[-1] <= budget:
            return found
    first, second = seen
    raise VerificationError(f"latency is {first:.6g} ms and, again, {second:.6g} ms: over the budget of {budget:g} ms")


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
