"""The profiling stage: a device and a search space in, the latency table of the space on it out."""

import tempfile
from dataclasses import asdict, dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path

from .. import devices
from ..clock import Clock
from ..errors import InputError
from ..files import require_writable
from ..latency.checkpoint import Checkpoint
from ..latency.profile import ProfileConfig, ProfileSession
from ..latency.seconds import ProfileSeconds
from ..latency.table import LatencyTable, load
from ..latency.tables import FOLDER, table_name
from ..progress import Progress
from ..space import registry
from ..space.space import SearchSpace


@dataclass(frozen=True)
class ProfileResult:
    """The `table` of `space` on a device, and the file that it was written to, which other stages take this for.

    `seconds` is what each part of this call took; `table.seconds` is the measuring of an interrupted profile as well.
    """

    path: Path
    table: LatencyTable
    space: SearchSpace
    seconds: ProfileSeconds = field(default_factory=ProfileSeconds)

    def __fspath__(self) -> str:
        return str(self.path)

    @cached_property
    def predicted_ms(self) -> tuple[float, float]:
        """Predicted ms of the fastest and of the slowest network of the space."""
        return self.table.predictor(self.space).range()


def profile(
    space: str | SearchSpace = "proxyless-32",
    device: str = "cpu",
    *,
    threads: int | None = None,
    classes: int | None = None,
    out: str | PathLike[str] | None = None,
    precision: float = 0.01,
    within: float | None = None,
    time_limit: float = 120.0,
    networks: int | None = None,
    even: bool = True,
    seed: int = 0,
    resume: bool = True,
    progress: Progress = True,
) -> ProfileResult:
    """Measure `space` on `device`, its blocks and some whole networks, and write the latency table to `out`.

    `space` is a name, a reference, or the space itself. `out` is `latency_tables/<device>.<space>.json` unless given
    (`<device>.<space>.<classes>-classes.json` where `classes` are). Everything is measured until the 95 % interval of
    its estimate is within ±`precision`, for `time_limit` seconds at most. `networks` random ones, sampled with `seed`,
    are measured whole for the predictor to learn from: by default 24 beside the blocks, or 100 where the space has over
    500 distinct blocks, none of which is measured then. They are sampled over the whole range of the space, or
    uniformly if not `even`. With `within`, the networks that the predictor is most uncertain of are added until its
    cross-validated error (RMSPE) is that small. What was not reached in time, or not measured, is flagged in the table.

    Interrupted, the same call goes on where it stopped, from `<out>.partial`; without `resume` it starts again. Raises
    `InputError`, among others where that file is of another device or space.
    """
    config = ProfileConfig.parse({
        "space": space.name if isinstance(space, SearchSpace) else space, "device": device, "threads": threads,
        "classes": classes, "precision": precision, "within": within, "time_limit": time_limit, "networks": networks,
        "even": even, "seed": seed,
    })  # fmt: skip
    return run_profile(config, space=space if isinstance(space, SearchSpace) else None, out=out, resume=resume,
                       progress=progress)  # fmt: skip


def run_profile(
    config: ProfileConfig,
    *,
    space: SearchSpace | None = None,
    out: str | PathLike[str] | None = None,
    resume: bool = True,
    progress: Progress = True,
) -> ProfileResult:
    """`profile` as `config` says; `space` is the one that it names, where that is not to be resolved."""
    clock = Clock()
    if space is None:
        space = registry.get(config.space, config.classes, trusted=True)
    elif config.classes not in (None, space.classes):
        raise InputError(
            f"the space {space.name} has {space.classes} classes, not {config.classes}",
            code="space.classes", space=space.name, classes=config.classes,
        )  # fmt: skip
    name = table_name(devices.describe(config.device).name, space.name, config.classes)
    path = FOLDER / f"{name}.json" if out is None else Path(out)
    if path.is_dir():
        raise InputError(f"{path} is a folder: name the file of the table", code="profile.folder", path=str(path))
    _require_replaceable(path, space, devices.describe(config.device).name)
    with clock.part("starting"), devices.get(config.device, config.threads) as running, clock.part("other"):
        identity = {"space": space.name, "fingerprint": space.fingerprint, **asdict(running.info)}
        del identity["cores"]  # cores are alike, see DeviceInfo.differences
        checkpoint = Checkpoint(path.with_name(f"{path.name}.partial"), identity)
        if not resume:
            checkpoint.remove()
        with tempfile.TemporaryDirectory() as folder:
            table = ProfileSession(space, running, config, checkpoint, Path(folder), progress, clock).run()
        with clock.part("writing"):
            table.save(path)
            checkpoint.remove()
    return ProfileResult(path, table, space, ProfileSeconds(**clock.seconds()))


def _require_replaceable(path: Path, space: SearchSpace, device: str) -> None:
    """Raise `InputError` ("profile.other-file") where the table would replace a file of the user's that is no table of
    `space` on `device`, whole or not, and "folder.not-writable" where it cannot be written."""
    require_writable(path.parent)
    if not path.is_file() or not path.stat().st_size:
        return
    start = path.read_bytes()[:1000]
    if not start.startswith(b"{") or b'"fingerprint"' not in start or b'"runtime"' not in start:
        message = f"{path} exists and is no latency table: name another file for the table"
        raise InputError(message, code="profile.other-file", path=str(path))
    try:
        there = load(path)
    except InputError:  # cut or changed, which a new profile mends
        return
    if (there.space, there.classes, there.device.device) != (space.name, space.classes, device):
        found = f"{there.space} with {there.classes} classes on {there.device.device}"
        message = f"{path} holds the table of {found}: name another file for this one"
        raise InputError(message, code="profile.other-file", path=str(path))
