"""The verification stage: a bundle in, everything that it claims computed again."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import devices
from ..deploy.bundle import MODEL, Latency, read_manifest
from ..deploy.verify import check_device, check_files, check_function, check_latency, measure_on
from ..errors import InputError, VerificationError
from ..space.net import Net
from ..training.run import read_net
from .export import dataset_of
from .train import require_classifier

MEASURED = ("measured_ms", "measured_interval_ms", "measured_now_ms", "pace_ratio")
"""What the answer says of the latency: nothing unless it was checked."""


def verify(
    bundle: str | Path, *, data: str | Path | None = None, root: Path | None = None, latency: bool = True
) -> dict[str, Any]:
    """Check the bundle and return what was found; `latency=False` leaves the device out, and the answer says so.

    Figures in ms are told at the pace of the claim, so that they compare with it. `pace_ratio` is how fast the machine
    is today: what the reference network takes now over what it took then, above 1 where the machine is slower;
    `measured_now_ms` is the latency at today's pace. Both are told, not judged.

    `data` is needed where the bundle was made with a folder of images; `root` is as `load` takes it. Raises
    `VerificationError` naming the first claim that does not hold, and `InputError` for something that is no bundle.
    """
    folder = Path(bundle)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder with a bundle")
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    dataset = dataset_of(manifest.data, data, _net(folder).resolution, root)
    agreement = check_function(folder, manifest, dataset)
    return {
        "bundle": str(folder),
        "files": sorted(manifest.files),
        **asdict(agreement),
        "budget_ms": manifest.latency.latency_ms,
        "latency_checked": latency,
        **(_check_latency(folder, manifest.latency) if latency else dict.fromkeys(MEASURED)),
    }


def _net(folder: Path) -> Net:
    """The network of the bundle. Raises `VerificationError` where it is none, or not one for images."""
    try:
        net = read_net(folder)
        require_classifier(net)
    except InputError as error:
        raise VerificationError(str(error)) from None
    return net


def _check_latency(folder: Path, claimed: Latency) -> dict[str, Any]:
    """What `MEASURED` names, measured now and told at the pace of the claim."""
    with devices.get(claimed.device.device, claimed.device.threads) as device:
        check_device(claimed, device.info)
        found = measure_on(device, folder / MODEL, claimed.reference_seconds)
    measured, ratio = found.estimates[MODEL], found.own_reference_seconds / claimed.reference_seconds
    check_latency(claimed, measured)
    return dict(zip(MEASURED, (measured.ms, [measured.low, measured.high], measured.ms * ratio, ratio), strict=True))
