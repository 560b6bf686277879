"""Verification of a bundle: every claim of it computed again, and the figures that were found."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import devices
from ..errors import InputError
from ..progress import Progress
from ..space.net import Net
from ..space.registry import SpaceIdentity
from ..training.classifier import require_classifier
from ..training.data import load_recorded
from ..training.run import read_net
from .bundle import MODEL, Latency, read_manifest, read_preprocessing
from .checks import as_verification, check_device, check_files, check_function, check_latency, measure_on


@dataclass(frozen=True)
class MeasuredLatency:
    """The latency that a verification measured, in ms.

    `measured_ms` and its 95 % interval are at the reference time of the claim, so that they compare with it;
    `measured_now_ms` is the median of the raw times of today. `reference_ratio` is today's reference time over that of
    the claim, above 1 where the machine is slower now. Both of the latter are for information.
    """

    measured_ms: float
    measured_interval_ms: tuple[float, float]
    measured_now_ms: float
    reference_ratio: float

    def both_clocks(self) -> str:
        """The latency at the pace of the claim, and what a run takes today."""
        now = f"{self.reference_ratio:.2f} of it, {self.measured_now_ms:.4f} ms"
        return f"{self.measured_ms:.4f} ms at the pace of the claim; today, at {now}"


@dataclass(frozen=True)
class VerifyResult:
    """What a verification found.

    `path` is the bundle's folder; accuracies are shares (0 to 1), in torch and in onnxruntime, whose logits differ by
    `max_abs_logit_diff` at most; `latency_ms` is the latency asked for, if any; `latency` is the measured one, None
    where it was not checked. `notes` say where the space of the search is not known here, or is another now; `ignored`
    are files that a desktop left in the folder, which are no part of the bundle.
    """

    path: Path
    files: tuple[str, ...]
    top1: float
    onnx_top1: float
    max_abs_logit_diff: float
    latency_ms: float | None
    latency: MeasuredLatency | None
    notes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def latency_checked(self) -> bool:
        """Whether the device was measured."""
        return self.latency is not None

    def to_json(self) -> dict[str, Any]:
        """The plain-JSON form, flat: those of the latency are null where it was not checked."""
        values = {name: value for name, value in asdict(self).items() if name not in ("path", "latency")}
        measured = dict.fromkeys(MeasuredLatency.__dataclass_fields__) if self.latency is None else asdict(self.latency)
        return {"bundle": str(self.path), **values, "latency_checked": self.latency_checked, **measured}


def verify_bundle(
    folder: Path, data: str | Path | None, root: Path | None, latency: bool, progress: Progress = True
) -> VerifyResult:
    """Compute again what the bundle claims, its latency only if `latency`. See `pipeline.verify.verify`."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder with a bundle", code="bundle.none", path=folder)
    manifest = read_manifest(folder)
    ignored = check_files(folder, manifest)
    net, fitting = _read_classifier(folder), _read_fitting(folder)
    dataset = load_recorded(manifest.data, data, net.resolution, root, progress, manifest.fingerprint, fitting)
    agreement = check_function(folder, manifest, dataset)
    return VerifyResult(
        path=folder,
        files=tuple(sorted(manifest.files)),
        **asdict(agreement),
        latency_ms=manifest.latency.latency_ms,
        latency=_measure(folder, manifest.latency) if latency else None,
        notes=_notes(manifest.space),
        ignored=ignored,
    )


def _notes(space: SpaceIdentity | None) -> tuple[str, ...]:
    """What to know of the space that the network was found in. No claim depends on it."""
    try:
        if space is not None:
            space.resolve()
    except InputError as error:
        return (f"space: {error}",)
    return ()


def _read_classifier(folder: Path) -> Net:
    """The network of the bundle. Raises `VerificationError` where it is none, or not one for images."""
    try:
        net = read_net(folder)
        require_classifier(net)
    except InputError as error:
        raise as_verification(error) from None
    return net


def _read_fitting(folder: Path) -> str:
    """How the images became squares. Raises `VerificationError` where the bundle does not say it."""
    try:
        return read_preprocessing(folder).fitting
    except InputError as error:
        raise as_verification(error) from None


def _measure(folder: Path, claimed: Latency) -> MeasuredLatency:
    """The latency of the bundle's model on the claimed device, once it is known to be within the claim."""
    with devices.get(claimed.device.device, claimed.device.threads) as device:
        check_device(claimed, device.info)
        found = measure_on(device, folder / MODEL, claimed.reference_seconds)
    measured, ratio = found.estimates[MODEL], found.own_reference_seconds / claimed.reference_seconds
    check_latency(claimed, measured)
    return MeasuredLatency(measured.ms, (measured.low, measured.high), measured.p50, ratio)
