"""Every stage in order, on the packaged images and this machine's CPU, beside a published network as fast."""

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from .. import devices
from ..deploy.bundle import read_manifest
from ..errors import InputError
from ..files import parse, read_json, require_empty, versioned, write_json
from ..latency.baseline import mobilenets_by_width, nearest_not_below
from ..latency.stats import Estimate
from ..latency.table import LatencyTable
from ..latency.table import load as load_table
from ..progress import Progress, ProgressEvent
from ..search.config import LatencyLimit
from ..space import registry
from ..space.net import Net
from .export import export
from .profile import profile
from .search import search
from .train import Job, train_many
from .verify import verify

SPACE, DEVICE = "proxyless-32", "cpu"
SHARE = 0.55
"""Where the latency asked for lies between the fastest and the slowest network of the space, unless it is given.
MobileNetV2, with 17 blocks and 1280 channels at the end whatever its width, cannot be much faster than this."""

WEIGHTS = {"warmup_steps": 700, "steps": 450}
EPOCHS = 5
"""A search and trainings that fit a demo of minutes; the defaults of both stages are longer."""

BUNDLE = "searched"
REQUEST, RESULT, SCHEMA = "demo.json", "result.json", 2
STAGES = ("profile", "search", "baseline", "train", "export", "verify")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class NetworkFigures:
    """A network: its size, its latency as measured with the 95 % interval, and its accuracy.

    `top1` is of the first seed and `top1_seeds` of all, of which `top1_mean` is the mean and `top1_spread` the standard
    deviation, or None for one seed.
    """

    name: str
    macs: int
    params: int
    measured_ms: float
    measured_interval_ms: tuple[float, float]
    top1: float
    top1_seeds: tuple[float, ...]
    top1_mean: float
    top1_spread: float | None


@dataclass(frozen=True, kw_only=True)
class DemoResult(NetworkFigures):
    """The figures of the searched network, which is the exported one, and of the `baseline` beside it.

    `path` is the folder of the demo and `bundle` that of the exported model. `latency_ms` was asked for, `predicted_ms`
    is what the search predicted, `verified_ms` what verifying the bundle measured. `seconds` are those of each stage.
    """

    path: Path
    bundle: Path
    latency_ms: float
    predicted_ms: float
    verified_ms: float
    onnx_top1: float
    max_abs_logit_diff: float
    baseline: NetworkFigures
    seconds: dict[str, float]

    def __fspath__(self) -> str:
        return str(self.path)

    def table(self) -> str:
        """Both networks as text, a row each."""
        table = Table("network", "MACs", "parameters", "predicted ms", "measured ms (95 %)", "top-1 (mean ± spread)")
        for one, predicted in ((self, f"{self.predicted_ms:.4f}"), (self.baseline, "not in the table")):
            low, high = one.measured_interval_ms
            table.add_row(
                one.name,
                f"{one.macs / 1e6:.2f} M",
                f"{one.params / 1e3:.0f} k",
                predicted,
                f"{one.measured_ms:.4f} ({low:.4f}-{high:.4f})",
                f"{one.top1_mean:.2%}" + ("" if one.top1_spread is None else f" ± {one.top1_spread:.2%}"),
            )
        text = io.StringIO()
        Console(file=text, width=120).print(f"latency asked for: {self.latency_ms:g} ms", table)
        return text.getvalue().rstrip()


@dataclass
class _Clock:
    """Seconds of each stage, announced as it begins."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        _logger.info("%s: %s", name, what)
        if callable(self.progress):
            self.progress(ProgressEvent("demo", len(self.seconds), len(STAGES), name))
        start = perf_counter()
        yield
        self.seconds[name] = round(perf_counter() - start, 1)


def demo(
    out: str | Path = "runs/demo",
    *,
    latency_ms: float | None = None,
    seeds: int = 3,
    seed: int = 0,
    progress: Progress = True,
) -> DemoResult:
    """Profile, search, train, export and verify, all into `out`, which gets the figures as result.json too.

    The latency asked for is `latency_ms`, or a share of the way from the fastest to the slowest network of the space.
    The chosen network and MobileNetV2, at the width whose measured latency is the nearest not below that, are each
    trained `seeds` times by one recipe; the first of the chosen one is exported. A demo that was interrupted goes on; a
    finished one is only read again. Raises `InputError`, "demo.other-arguments" for a folder of another demo.
    """
    if latency_ms is not None:
        LatencyLimit.parse({"table": SPACE, "latency_ms": latency_ms})
    out = Path(out)
    if _open(out, {"latency_ms": latency_ms, "seeds": seeds, "seed": seed}):
        _logger.info("%s holds this demo, finished: remove it to run it again", out)
        return read_result(out)
    result = _run(out, latency_ms, seeds, seed, progress)
    _write_result(result)
    return result


def _run(out: Path, latency_ms: float | None, seeds: int, seed: int, progress: Progress) -> DemoResult:
    """All stages; those that are finished in `out` are only read again."""
    clock = _Clock(progress)
    with clock.stage("profile", f"every block of {SPACE} on this CPU, one thread"):
        table_path = out / f"{DEVICE}.{SPACE}.json"
        if not table_path.exists():
            profile(SPACE, DEVICE, out=table_path, seed=seed, progress=progress)
        table = load_table(table_path)
    asked_ms = _latency_inside(table) if latency_ms is None else latency_ms
    with clock.stage("search", f"the most accurate network within {asked_ms:g} ms"):
        found = search(table_path, asked_ms, out=out / "search", seed=seed, weights=WEIGHTS, progress=progress)
    with clock.stage("baseline", "the width of MobileNetV2 that is as slow"), devices.get(DEVICE) as device:
        widths = mobilenets_by_width(table.classes, found.net().resolution)
        rival, rival_ms = nearest_not_below(widths, asked_ms, device, table.reference_seconds)
    with clock.stage("train", f"both networks from scratch, {seeds} times each"):
        jobs = [Job(out / "search", out / f"{BUNDLE}-{i}", seed + i) for i in range(seeds)]
        jobs += [Job(rival, out / f"mobilenet_v2-{i}", seed + i) for i in range(seeds)]
        # Clothes may be mirrored. Nothing is chosen by validation, so that all images are trained on.
        top1 = [record.top1 for record in train_many(jobs, epochs=EPOCHS, mirror=True, val=0, progress=progress)]
    bundle = out / "export" / BUNDLE
    with clock.stage("export", "the chosen network as an ONNX bundle"):
        if not bundle.exists():
            export(out / f"{BUNDLE}-0", name=BUNDLE, out=out / "export", progress=progress)
    with clock.stage("verify", "everything the bundle claims"):
        verified = verify(bundle, progress=progress).latency
    assert verified is not None, "the latency is checked unless asked not to"
    manifest = read_manifest(bundle)
    return DemoResult(
        path=out,
        bundle=bundle,
        latency_ms=asked_ms,
        predicted_ms=found.record.predicted_ms,
        verified_ms=verified.measured_ms,
        onnx_top1=manifest.onnx_top1,
        max_abs_logit_diff=manifest.max_abs_logit_diff,
        **_figures(found.net(), manifest.latency.measured, top1[:seeds]),
        baseline=NetworkFigures(**_figures(rival, rival_ms, top1[seeds:])),
        seconds=clock.seconds,
    )


def read_result(folder: Path) -> DemoResult:
    """The result of the finished demo in `folder`. Those of schema 1 said budget_ms for latency_ms, and no schema."""
    where = folder / RESULT
    value = read_json(where, "demo result")
    if isinstance(value, dict) and "schema" not in value and "budget_ms" in value:
        value = {"schema": SCHEMA, "latency_ms": value["budget_ms"], **value}
        del value["budget_ms"], value["table"]
    fields = versioned(value, SCHEMA, where, "demo result", "remove it to run the demo again")
    return parse(TypeAdapter(DemoResult), {"path": folder, **fields}, where)


def _write_result(result: DemoResult) -> None:
    fields = {**asdict(result), "bundle": str(result.bundle)}
    del fields["path"]  # a folder can be moved
    write_json(result.path / RESULT, {"schema": SCHEMA, **fields})


def _open(out: Path, request: Mapping[str, Any]) -> bool:
    """Make `out` the folder of this demo; whether it is finished. Raises `InputError` if it is of anything else."""
    if not (out / REQUEST).exists():
        require_empty(out)
        write_json(out / REQUEST, request)
    if read_json(out / REQUEST, "demo request") != request:
        raise InputError(
            f"{out} holds a demo with other arguments: name another folder or remove it first",
            code="demo.other-arguments",
            path=out,
        )
    return (out / RESULT).exists()


def _latency_inside(table: LatencyTable) -> float:
    """A latency with room on both sides, rounded to three digits."""
    fastest, slowest = table.predictor(registry.get(table.space, table.classes)).range()
    return float(f"{fastest + SHARE * (slowest - fastest):.3g}")


def _figures(net: Net, measured: Estimate, top1: list[float]) -> dict[str, Any]:
    """The fields of `NetworkFigures`; `top1` is that of each training."""
    return {
        "name": net.name,
        "macs": net.macs,
        "params": net.params,
        "measured_ms": measured.ms,
        "measured_interval_ms": (measured.low, measured.high),
        "top1": top1[0],
        "top1_seeds": tuple(top1),
        "top1_mean": mean(top1),
        "top1_spread": stdev(top1) if len(top1) > 1 else None,
    }
