"""Checks of every claim of a bundle. Each raises `VerificationError` ("bundle.*") for the first that does not hold."""

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import onnx

from ..devices.base import Device, DeviceInfo
from ..errors import InputError, VerificationError
from ..files import sha256
from ..latency.measure import Measurement, measure
from ..latency.stats import Estimate
from ..training.data import Dataset
from ..training.run import NET, read_module, read_net
from .agreement import Agreement, check_agreement
from .bundle import CLAIMED, LABELS, MANIFEST, MODEL, PREPROCESSING, Latency, Manifest, read_labels, read_preprocessing
from .onnx import INPUT, OUTPUT

FLIPS = 2
"""Test images that may be in another class than when the bundle was made: other CPUs round otherwise, and an image on
the border of two classes then changes sides."""

DRIFT = 0.1
"""The relative change of latency that a shared machine may show from one session to another."""

PRECISION = 0.01
"""Half-width, relative to the latency, of the 95 % interval at which measuring stops, or after `TIME_LIMIT` seconds."""

TIME_LIMIT = 20.0


def _require(holds: bool, complaint: str, code: str, **fields: Any) -> None:
    if not holds:
        raise VerificationError(complaint, code=code, **fields)


def as_verification(error: InputError) -> VerificationError:
    """The same complaint about a file of a bundle, which claims to be whole; `reason` is the code that it had."""
    return VerificationError(str(error), code="bundle.file-invalid", reason=error.code, **error.fields)


LITTER = (".DS_Store", "._*", "Thumbs.db", "ehthumbs.db", "desktop.ini", ".directory")
LITTER_FOLDERS = ("__MACOSX", "@eaDir", ".ipynb_checkpoints", ".Spotlight-V100", ".Trashes", ".fseventsd")
"""Files and folders that desktops leave in a folder that somebody looked into; none of them is read."""


def check_files(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Require every file with the claimed SHA-256, and no other but litter: the names of that."""
    for name in CLAIMED:
        _require((folder / name).is_file(), f"{name} is missing", "bundle.file-missing", file=name)
        same = sha256((folder / name).read_bytes()) == manifest.files.get(name)
        complaint = f"{name} was changed: its SHA-256 is not the one in {MANIFEST}"
        _require(same, complaint, "bundle.file-changed", file=name)
    found = sorted(path for path in folder.iterdir() if path.name not in {*CLAIMED, MANIFEST})
    litter = tuple(path.name for path in found if _is_litter(path))
    others = tuple(path.name for path in found if path.name not in litter)
    complaint = f"{', '.join(others)}: no part of the bundle: move it away, or export again"
    _require(not others, complaint, "bundle.strange-file", files=others)
    return litter


def _is_litter(path: Path) -> bool:
    name = path.name.lower()  # as Windows writes Desktop.ini and THUMBS.DB too
    patterns = LITTER if path.is_file() else LITTER_FOLDERS if path.is_dir() else ()
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns)


def check_model(model: bytes, resolution: int, classes: int) -> None:
    """Require a valid ONNX file, with everything inside and the inputs and outputs of the network."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker's own, or protobuf's for bytes that are no model at all
        raise VerificationError(
            f"{MODEL} is not a valid ONNX model: {str(error).strip().splitlines()[0]}", code="bundle.model-invalid"
        ) from None
    graph = onnx.load_from_string(model).graph
    shapes = {
        value.name: [size.dim_value or "batch" for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    wanted = {INPUT: ["batch", 3, resolution, resolution], OUTPUT: ["batch", classes]}
    _require(shapes == wanted, f"{MODEL} has inputs and outputs {shapes}, not {wanted}", "bundle.model-shapes")


def check_function(folder: Path, manifest: Manifest, dataset: Dataset) -> Agreement:
    """Require a network, weights, a model and preprocessing that belong together, and the claimed accuracies, give or
    take `FLIPS` images."""
    same = dataset.fingerprint == manifest.fingerprint
    complaint = f"the images of {dataset.name} are not, or are not decoded as, those that the bundle was made with"
    _require(same, complaint, "bundle.other-images", data=dataset.name)
    try:
        net, module = read_net(folder), read_module(folder)
        labels, steps = read_labels(folder), read_preprocessing(folder)
    except InputError as error:
        raise as_verification(error) from None
    model = (folder / MODEL).read_bytes()
    check_model(model, net.resolution, net.classes)
    complaint = f"{LABELS} does not hold the classes of {dataset.name}"
    _require(labels == dataset.labels, complaint, "bundle.labels")
    complaint = f"{PREPROCESSING} makes images of {steps.size} px, and {NET} takes {net.resolution}"
    _require(steps.size == net.resolution, complaint, "bundle.preprocessing")
    found = check_agreement(module, model, replace(dataset, mean=steps.mean, std=steps.std))
    for name in ("top1", "onnx_top1"):
        ours, claimed = getattr(found, name), getattr(manifest, name)
        flips = abs(ours - claimed) * len(dataset.test.labels)
        complaint = f"{name} is {ours:.4f}, not {claimed:.4f} as {MANIFEST} claims"
        _require(flips <= FLIPS + 1e-6, complaint, "bundle.accuracy", name=name, claimed=claimed, found=ours)
    return found


def measure_on(device: Device, model: Path, reference_seconds: float | None) -> Measurement:
    """The latency of the ONNX file, by the key `MODEL`, on the device, which is up: at this reference time, or today's.

    A reference time is of one device: see that it is of this one.
    """
    return measure(
        device, {MODEL: model}, precision=PRECISION, time_limit=TIME_LIMIT, reference_seconds=reference_seconds
    )


def check_device(claimed: Latency, info: DeviceInfo) -> None:
    """Require that the device here, `info`, is as the one of the claim."""
    differences = "; ".join(info.differences(claimed.device))
    complaint = f"latency was claimed on another device: {differences}"
    _require(not differences, complaint, "bundle.other-device", differences=differences)


def check_latency(claimed: Latency, measured: Estimate) -> None:
    """Require that `measured`, on the claimed device, is not clearly over the latency asked for, or, where none was,
    over what was measured then by `DRIFT`."""
    limit, name, code = claimed.latency_ms, "the budget", "bundle.latency-over-budget"
    if limit is None:
        limit, name = (1 + DRIFT) * claimed.measured.ms, f"the claimed latency plus {DRIFT:.0%}"
        code = "bundle.latency-over-claim"
    interval = f"{measured.ms:.4g} ms ({measured.low:.4g} to {measured.high:.4g})"
    complaint = f"latency is {interval}, over {name} of {limit:.4g} ms"
    _require(measured.low <= limit, complaint, code, limit_ms=limit, measured_ms=measured.ms)
