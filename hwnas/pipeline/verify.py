"""The verification stage: a bundle in, everything that it claims computed again."""

from os import PathLike
from pathlib import Path

from ..deploy.verify import VerifyResult, verify_bundle
from ..progress import Progress

__all__ = ["VerifyResult", "verify"]


def verify(
    bundle: str | PathLike[str],
    *,
    data: str | Path | None = None,
    root: Path | None = None,
    latency: bool = True,
    progress: Progress = True,
) -> VerifyResult:
    """Check the bundle and return what was found; `latency=False` leaves the device out, and the result says so.

    `data` is needed where the bundle was made with a folder of images; `root` is as `load` takes it. Raises
    `VerificationError` ("bundle.*") naming the first claim that does not hold, and `InputError` for something that is
    no bundle ("bundle.none").
    """
    return verify_bundle(Path(bundle), data, root, latency, progress)
