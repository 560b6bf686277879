"""The export stage: a trained run in, a bundle that has been measured and checked out."""

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from ..deploy.bundle import LABELS, MODEL, PREPROCESSING, Latency, Manifest, Preprocessing, write_bundle
from ..deploy.onnx import export_onnx
from ..deploy.verify import check_agreement, check_latency, measure_on
from ..errors import InputError
from ..files import parse, read_json, require_empty
from ..training.data import Dataset, load
from ..training.run import NET, WEIGHTS, read_module, read_net, read_record, versions
from ..training.sources import NAMED
from .train import SEARCH


@dataclass(frozen=True)
class Target:
    """What the search aimed at, in milliseconds, and the pace (seconds) that its latency table is told at."""

    __pydantic_config__ = ConfigDict(extra="ignore")  # search.json holds more

    budget_ms: float | None = None
    predicted_ms: float | None = None
    pace: float | None = None


_TARGET = TypeAdapter(Target)


def export(
    run: str | Path,
    *,
    name: str | None = None,
    out: str | Path = "export",
    device: str = "cpu",
    threads: int = 1,
    data: str | Path | None = None,
    root: Path | None = None,
    target: Target | None = None,
) -> Path:
    """Write the bundle `out`/`name` (by default the run's name) of the trained `run`, and return its path.

    The model is measured on `device`, and compared with the weights on the test images of `data`: the folder that
    the run was trained on, where that has no name to find it by. `target` is read from the run's `search.json` unless
    given. Raises `InputError`, and `VerificationError` where the bundle would not pass `verify`.
    """
    run = Path(run)
    record, net, module = read_record(run), read_net(run), read_module(run)
    folder = Path(out) / (name or run.resolve().name)
    require_empty(folder)
    dataset = dataset_of(record.data, data, net.resolution, root)
    if dataset.fingerprint != record.fingerprint:
        raise InputError(f"{dataset.name} does not hold the images that {run} was trained on")
    model = export_onnx(module, net.resolution)
    agreement = check_agreement(module, model, dataset)
    latency = _measured(model, device, threads, target or _target(run))
    check_latency(latency, latency.device, latency.measured)
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


def _measured(model: bytes, device: str, threads: int, target: Target) -> Latency:
    """The latency of `model` on the device, told at the pace of the search if there is one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL
        path.write_bytes(model)
        info, measured, pace = measure_on(device, threads, path, target.pace)
    return Latency(info, measured, pace, target.budget_ms, target.predicted_ms)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
