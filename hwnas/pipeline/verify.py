"""The verification stage: a bundle in, everything that it claims computed again."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..deploy.bundle import MODEL, Latency, read_manifest
from ..deploy.verify import check_files, check_function, check_latency, measure_on
from ..errors import InputError
from ..latency.stats import Estimate
from ..training.run import read_net
from .export import dataset_of


def verify(
    bundle: str | Path, *, data: str | Path | None = None, root: Path | None = None, latency: bool = True
) -> dict[str, Any]:
    """Check the bundle and return what was found; `latency=False` leaves the device out, and the answer says so.

    `data` is needed where the bundle was made with a folder of images; `root` is as `load` takes it. Raises
    `VerificationError` naming the first claim that does not hold, and `InputError` for something that is no bundle.
    """
    folder = Path(bundle)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder with a bundle")
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    dataset = dataset_of(manifest.data, data, read_net(folder).resolution, root)
    agreement = check_function(folder, manifest, dataset)
    measured = _check_latency(folder, manifest.latency) if latency else None
    return {
        "bundle": str(folder),
        "files": sorted(manifest.files),
        **asdict(agreement),
        "budget_ms": manifest.latency.budget_ms,
        "latency_checked": latency,
        "measured_ms": measured and measured.ms,
        "measured_interval_ms": measured and [measured.low, measured.high],
    }


def _check_latency(folder: Path, claimed: Latency) -> Estimate:
    """The latency measured now, at the pace that the claim was told at."""
    device = claimed.device
    info, measured, _ = measure_on(device.device, device.threads, folder / MODEL, claimed.pace)
    check_latency(claimed, info, measured)
    return measured
