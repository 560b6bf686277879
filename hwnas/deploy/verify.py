"""Recomputes every claim of a bundle. Each check raises `VerificationError` naming the first that does not hold."""

from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from torch import nn

from ..devices.base import Device, DeviceInfo
from ..errors import InputError, VerificationError
from ..files import sha256
from ..latency.measure import Measurement, measure
from ..latency.stats import Estimate
from ..training.data import Dataset
from ..training.evaluate import accuracy, logits
from ..training.run import NET, read_module, read_net
from .bundle import CLAIMED, LABELS, MANIFEST, MODEL, PREPROCESSING, Latency, Manifest, read_labels, read_preprocessing
from .onnx import INPUT, OUTPUT, onnx_logits

TOLERANCE = 1e-4
"""The largest difference of a logit between torch and onnxruntime that still counts as the same function."""

FLIPS = 2
"""Test images that may be in another class than when the bundle was made: other CPUs round otherwise, and an image on
the border of two classes then changes sides."""

DRIFT = 0.1
"""How far a shared machine may be from the speed it had before, relatively."""

PRECISION = 0.01
"""Half-width, relative to the latency, of the 95 % interval at which measuring stops, or after `TIME_LIMIT` seconds."""

TIME_LIMIT = 20.0


@dataclass(frozen=True)
class Agreement:
    """Accuracy (0 to 1) in torch and in onnxruntime on the same images, and the largest difference of any logit."""

    top1: float
    onnx_top1: float
    max_abs_logit_diff: float


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise VerificationError(complaint)


def check_files(folder: Path, manifest: Manifest) -> None:
    """Every file is there with the claimed SHA-256, and no other."""
    for name in CLAIMED:
        _require((folder / name).is_file(), f"{name} is missing")
        same = sha256((folder / name).read_bytes()) == manifest.files.get(name)
        _require(same, f"{name} was changed: its SHA-256 is not the one in {MANIFEST}")
    others = {path.name for path in folder.iterdir()} - {*CLAIMED, MANIFEST}
    _require(not others, f"{', '.join(sorted(others))}: no part of the bundle")


def check_model(model: bytes, resolution: int, classes: int) -> None:
    """The ONNX file is valid, has everything inside, and takes and gives what the network does."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker's own, or protobuf's for bytes that are no model at all
        raise VerificationError(f"{MODEL} is not a valid ONNX model: {str(error).strip().splitlines()[0]}") from None
    graph = onnx.load_from_string(model).graph
    shapes = {
        value.name: [size.dim_value or "batch" for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    wanted = {INPUT: ["batch", 3, resolution, resolution], OUTPUT: ["batch", classes]}
    _require(shapes == wanted, f"{MODEL} has inputs and outputs {shapes}, not {wanted}")


def check_agreement(module: nn.Module, model: bytes, dataset: Dataset) -> Agreement:
    """torch and onnxruntime give the same logits and the same class to every test image of `dataset`."""
    labels = dataset.test.labels
    ours, theirs = logits(module, dataset.test, dataset), onnx_logits(model, dataset.test, dataset)
    difference = (ours - theirs).abs().max().item()
    # so put that a NaN does not pass
    _require(difference <= TOLERANCE, f"{MODEL} differs from the weights by {difference:.2g} in a logit")
    changed = int((ours.argmax(1) != theirs.argmax(1)).sum())
    _require(changed == 0, f"{MODEL} puts {changed} of {len(labels)} test images in another class than the weights do")
    return Agreement(accuracy(ours, labels), accuracy(theirs, labels), difference)


def check_function(folder: Path, manifest: Manifest, dataset: Dataset) -> Agreement:
    """The network, its weights, the model and the preprocessing are of one another, and the accuracies are as claimed,
    give or take `FLIPS`."""
    same = dataset.fingerprint == manifest.fingerprint
    _require(same, f"the images of {dataset.name} are not, or are not decoded as, those that the bundle was made with")
    try:
        net, module = read_net(folder), read_module(folder)
        labels, steps = read_labels(folder), read_preprocessing(folder)
    except InputError as error:
        raise VerificationError(str(error)) from None
    model = (folder / MODEL).read_bytes()
    check_model(model, net.resolution, net.classes)
    _require(labels == dataset.labels, f"{LABELS} does not hold the classes of {dataset.name}")
    _require(steps.size == net.resolution, f"{PREPROCESSING} makes images of another size than {NET} takes")
    found = check_agreement(module, model, replace(dataset, mean=steps.mean, std=steps.std))
    for name in ("top1", "onnx_top1"):
        ours, claimed = getattr(found, name), getattr(manifest, name)
        flips = abs(ours - claimed) * len(dataset.test.labels)
        _require(flips <= FLIPS + 1e-6, f"{name} is {ours:.4f}, not {claimed:.4f} as {MANIFEST} claims")
    return found


def measure_on(device: Device, model: Path, reference_seconds: float | None) -> Measurement:
    """The latency of the ONNX file, its key `MODEL`, on the device, which is up: told at `pace`, or at today's.

    A pace is that of one device: see that it is of this one.
    """
    return measure(
        device, {MODEL: model}, precision=PRECISION, time_limit=TIME_LIMIT, reference_seconds=reference_seconds
    )


def check_device(claimed: Latency, info: DeviceInfo) -> None:
    """The device here, `info`, is as the one of the claim."""
    differences = info.differences(claimed.device)
    _require(not differences, f"latency was claimed on another device: {'; '.join(differences)}")


def check_latency(claimed: Latency, measured: Estimate) -> None:
    """`measured`, on the claimed device, is not clearly over the budget, or, where there was none, over what was
    measured then by `DRIFT`."""
    limit, name = claimed.latency_ms, "the budget"
    if limit is None:
        limit, name = (1 + DRIFT) * claimed.measured.ms, f"the claimed latency plus {DRIFT:.0%}"
    interval = f"{measured.ms:.4g} ms ({measured.low:.4g} to {measured.high:.4g})"
    _require(measured.low <= limit, f"latency is {interval}, over {name} of {limit:.4g} ms")
