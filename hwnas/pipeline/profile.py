"""The profiling stage: a device and a search space in, the latency table of the space on it out."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from .. import devices
from ..devices.base import DeviceInfo
from ..errors import InputError
from ..latency.checkpoint import Checkpoint
from ..latency.graph import empty, save
from ..latency.measure import Measurement, measure
from ..latency.samples import Samples
from ..latency.table import Check, Fit, LatencyTable, fit, total
from ..progress import progress
from ..space import mobile
from ..space.space import Arch, SearchSpace

TABLES = Path("latency_tables")
EMPTY = "empty"
LEAN = 8.0
"""How far a drawn network leans at most, see `draw`."""

WITHIN_10 = 0.95
"""Part of the checks that sums must predict within ±10 %. Another process that fills the last-level cache slows whole
networks, whose weights come from there (to three times, here), and neither single blocks nor the reference."""


def profile(
    space: str | SearchSpace = "proxyless-32",
    device: str = "cpu",
    *,
    threads: int = 1,
    classes: int | None = None,
    out: str | Path | None = None,
    precision: float = 0.01,
    time_limit: float = 120.0,
    checks: int = 24,
    even: bool = True,
    seed: int = 0,
    fresh: bool = False,
) -> Path:
    """Measure every distinct block of `space` on `device`, and write the table to `out`; returns its path.

    `out` is `latency_tables/<device>.<space>.json` unless given. Each block is measured until the 95 % interval of
    its estimate is within ±`precision`, `time_limit` seconds of measuring at most; what was not reached by then is
    flagged in the table. `checks` random networks, drawn with `seed`, are measured whole beside the blocks, and
    calibrate their sums: over the whole range of the space, or drawn uniformly if not `even`. Interrupted, the same
    call goes on where it stopped, from `<out>.partial`; with `fresh` it starts again. Raises `InputError`, among
    others where that file is of another device or space.
    """
    if checks < 3:
        raise InputError(f"two numbers are fitted to the checks, so there must be at least 3, not {checks}")
    space = space if isinstance(space, SearchSpace) else mobile.get(space, classes)
    path = TABLES / f"{device}.{space.name}.json" if out is None else Path(out)
    if path.is_dir():
        raise InputError(f"{path} is a folder: name the file of the table")
    with devices.get(device, threads) as running, tempfile.TemporaryDirectory() as folder:
        identity = {"space": space.name, "fingerprint": space.fingerprint, **asdict(running.info)}
        del identity["cores"]  # cores are alike, see DeviceInfo.differences
        checkpoint = Checkpoint(path.with_name(f"{path.name}.partial"), identity)
        samples = Samples() if fresh else checkpoint.load()
        archs = draw(space, checks, seed, even=even)
        models = models_of(space, archs, Path(folder))
        with progress("profile", len(models)) as report:
            try:
                found = measure(
                    running,
                    models,
                    precision=precision,
                    time_limit=time_limit,
                    seed=seed,
                    samples=samples,
                    report=report,
                    keep=checkpoint.keep,
                )
            except BaseException:
                if samples.visits:
                    checkpoint.write(samples)
                raise
        _table(space, running.info, archs, found, samples, precision).save(path)
        checkpoint.remove()
    return path


def draw(space: SearchSpace, count: int, seed: int, even: bool = False) -> dict[str, Arch]:
    """Distinct random architectures by key; fewer than `count` where chance repeats itself.

    With `even`, every other one is drawn uniformly. The rest lean to light or to heavy candidates, each in its own
    measure, and so reach the ends of the range: uniform draws are all much alike, and would leave fast networks, the
    ones that budgets are about, to extrapolation.
    """
    rng = np.random.default_rng(seed)
    leanings = rng.uniform(-LEAN, LEAN, count) * (np.arange(count) % 2 if even else 0)
    drawn = [_leaning(space, leaning, rng) for leaning in leanings]
    return {f"net:{'-'.join(map(str, arch))}": arch for arch in drawn}


def _leaning(space: SearchSpace, leaning: float, rng: np.random.Generator) -> Arch:
    """A random architecture: candidates weigh exp(`leaning` · their MACs relative to the slot's heaviest)."""
    arch = []
    for slot in space.slots:
        macs = np.array([block.macs for block in slot.candidates])
        weights = np.exp(leaning * macs / macs.max())
        arch.append(int(rng.choice(len(macs), p=weights / weights.sum())))
    return tuple(arch)


def models_of(space: SearchSpace, archs: Mapping[str, Arch], folder: Path) -> dict[str, Path]:
    """Everything to be measured, as ONNX files by key: the blocks, the empty network and the checks."""
    parts = {block.key: block for block in space.blocks()} | {key: space.derive(arch) for key, arch in archs.items()}
    models = {key: save(part, folder / f"{index}.onnx") for index, (key, part) in enumerate(parts.items())}
    models[EMPTY] = folder / "empty.onnx"
    models[EMPTY].write_bytes(empty().SerializeToString())
    return models


def _table(
    space: SearchSpace,
    info: DeviceInfo,
    archs: Mapping[str, Arch],
    found: Measurement,
    samples: Samples,
    precision: float,
) -> LatencyTable:
    """The table of a finished session."""
    estimates = found.estimates
    rows = {block.key: estimates[block.key] for block in space.blocks()}
    overhead = estimates[EMPTY]
    checks = tuple(
        Check(arch, estimates[key], total(space.derive(arch).blocks, rows, overhead.ms)) for key, arch in archs.items()
    )
    quality = fit(np.array([check.measured.ms for check in checks]), np.array([check.sum for check in checks]))
    return LatencyTable(
        space=space.name,
        classes=space.classes,
        fingerprint=space.fingerprint,
        device=info,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        precision=precision,
        seconds=samples.elapsed,
        reference=samples.reference_estimate(),
        overhead=overhead,
        rows=rows,
        checks=checks,
        fit=quality,
        flags=tuple(_flags(found, quality)),
    )


def _flags(found: Measurement, quality: Fit) -> Iterator[str]:
    """What did not go as asked, each in a sentence."""
    yield from found.flags
    if quality.within_10 < WITHIN_10:
        text = f"only {quality.within_10:.0%} of the whole networks are within 10 % of the sum of their blocks"
        yield f"checks: {text}: something else was using the memory of this machine"
