"""The export stage: a trained run in, a bundle that has been measured and checked out."""

from os import PathLike
from pathlib import Path

from ..deploy.config import ExportConfig
from ..deploy.export import ExportResult, export_bundle
from ..deploy.target import Target
from ..progress import Progress
from ..training.config import require_alone

__all__ = ["ExportConfig", "ExportResult", "Target", "export"]


def export(
    run: str | PathLike[str] | ExportConfig,
    *,
    name: str | None = None,
    out: str | Path = "export",
    device: str | None = None,
    threads: int | None = None,
    data: str | Path | None = None,
    root: Path | None = None,
    target: Target | None = None,
    progress: Progress = True,
) -> ExportResult:
    """Write the bundle `out`/`name` (by default the run's name) of the trained `run`, which may be an `ExportConfig`.

    The model is compared with the weights on the test images of `data`: the folder that the run was trained on, where
    that has no name to find it by. `target` is read from the run's `search.json` unless given. The model is measured
    on `device` with `threads`, by default the target's, or one thread of the CPU where that names none. Where the
    target is of published latencies, `device` must be named, and the bundle claims no budget. Raises `InputError`,
    among others for another device than the target's, and `VerificationError` for a model that is not the weights'
    function ("bundle.not-the-weights") or not within the budget ("bundle.latency-over-budget").
    """
    given = {"name": name, "device": device, "threads": threads, "data": data, "root": root, "target": target}
    if isinstance(run, ExportConfig):
        require_alone({key: value is not None for key, value in given.items()})
        config = run
    else:
        config = ExportConfig.parse({"run": Path(run), **given})
    return export_bundle(config, Path(out), progress)
