"""A trained run as a bundle that has been compared with its weights and measured."""

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .. import devices
from ..devices.base import Device
from ..errors import InputError, VerificationError
from ..files import require_empty, write_bytes
from ..latency.measure import Measurement
from ..progress import Progress
from ..space.registry import SpaceIdentity
from ..training.data import Dataset, load_recorded
from ..training.run import NET, WEIGHTS, TrainRecord, read_module, read_net, read_record, versions
from .agreement import Agreement, check_agreement
from .bundle import LABELS, MODEL, PREPROCESSING, Latency, Manifest, Preprocessing, write_bundle
from .checks import measure_on
from .config import ExportConfig
from .onnx import export_onnx
from .target import Target, read_space, read_target


@dataclass(frozen=True)
class ExportResult:
    """A bundle: its folder, which this object is wherever a path is asked for, and its manifest."""

    path: Path
    manifest: Manifest

    def __fspath__(self) -> str:
        return str(self.path)


def export_bundle(config: ExportConfig, out: Path, progress: Progress = True) -> ExportResult:
    """Write the bundle of a run into a new folder in `out`. See `pipeline.export.export` for what it raises."""
    run, folder = config.run, out / config.bundle_name
    record, net, module = read_record(run), read_net(run), read_module(run)
    require_empty(folder)
    target = (config.target or read_target(run)).on(config.device)
    device = _device(config, target)  # one that there is not is known before the work
    dataset = _images_of(record, config, net.resolution, progress)
    model = export_onnx(module, net.resolution)
    agreement = check_agreement(module, model, dataset)
    latency = _measure_within(model, device, target)
    files = {
        MODEL: model,
        **{name: (run / name).read_bytes() for name in (NET, WEIGHTS)},
        LABELS: _json(record.labels),
        PREPROCESSING: _json(Preprocessing(net.resolution, record.fitting, record.mean, record.std).to_json()),
    }
    manifest = write_bundle(folder, files, _manifest(folder.name, record, agreement, latency, read_space(run)))
    return ExportResult(folder, manifest)


def _images_of(record: TrainRecord, config: ExportConfig, resolution: int, progress: Progress) -> Dataset:
    """The images that the run was trained on. Raises `InputError` ("export.other-images") for others."""
    dataset = load_recorded(
        record.data, config.data, resolution, config.root, progress, record.fingerprint, record.fitting,
        record.config.reading,
    )  # fmt: skip
    if dataset.fingerprint != record.fingerprint:
        raise InputError(
            f"{dataset.name} does not hold the images that {config.run} was trained on: give their folder (--data)",
            code="export.other-images",
            name=dataset.name,
        )
    return dataset


def _manifest(
    name: str, record: TrainRecord, agreement: Agreement, latency: Latency, space: SpaceIdentity | None
) -> Manifest:
    """The claims, but for the files', which `write_bundle` adds."""
    return Manifest(
        name=name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        data=record.data,
        fingerprint=record.fingerprint,
        top1=agreement.top1,
        onnx_top1=agreement.onnx_top1,
        max_abs_logit_diff=agreement.max_abs_logit_diff,
        latency=latency,
        versions=versions("hwnas", "torch", "onnx", "onnxscript", "onnxruntime"),
        files={},
        space=space,
    )


def _measure_within(model: bytes, device: Device, target: Target) -> Latency:
    """The latency of `model` on the device, at the reference time of `target` if it has one, and within its latency.

    Raises `InputError` ("export.other-device") for another device than the target's, and `VerificationError`
    ("bundle.latency-over-budget") where the model is too slow.
    """
    with tempfile.TemporaryDirectory() as folder, device as running:
        target.require_same_device(running.info)
        path = Path(folder) / MODEL
        write_bytes(path, model)
        found = _measure_twice(running, path, target)
        return Latency(
            running.info, found.estimates[MODEL], found.reference_seconds, target.latency_ms, target.predicted_ms
        )


def _device(config: ExportConfig, target: Target) -> Device:
    """The device to measure on, not yet started; the target's unless another is given, or else the CPU."""
    name, threads = ("cpu", 1) if target.device is None else (target.device.device, target.device.threads)
    return devices.get(
        name if config.device is None else config.device, threads if config.threads is None else config.threads
    )


def _measure_twice(running: Device, model: Path, target: Target) -> Measurement:
    """The latency of `model` within that of `target`, at the second attempt if not at the first."""
    limit, seen = target.latency_ms, []
    for _ in range(2):
        found = measure_on(running, model, target.reference_seconds)
        seen.append(found.estimates[MODEL].ms)
        if limit is None or seen[-1] <= limit:
            return found
    first, second = seen
    raise VerificationError(
        f"latency is {first:.6g} ms and, again, {second:.6g} ms: over the budget of {limit:g} ms",
        code="bundle.latency-over-budget",
        latency_ms=limit,
        measured_ms=second,
    )


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
