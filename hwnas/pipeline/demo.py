"""Every stage in order, on the packaged images and this machine's CPU, beside a published network as fast."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

from .. import devices
from ..deploy.bundle import Manifest, read_manifest
from ..errors import InputError
from ..files import read_json, require_empty, write_json
from ..latency.baseline import nearest_not_below, widths_of_mobilenet
from ..latency.stats import Estimate
from ..latency.table import LatencyTable
from ..latency.table import load as load_table
from ..search.folder import SearchRecord
from ..space import registry
from ..space.net import Net
from ..strategies.loops import Schedule
from ..training.run import TrainRecord
from .export import export
from .profile import profile
from .search import check_budget, search
from .train import Job, train_many
from .verify import verify

SPACE, DEVICE = "proxyless-32", "cpu"
SHARE = 0.55
"""Where the budget lies between the fastest and the slowest network of the space, unless it is given. MobileNetV2, with
17 blocks and 1280 channels at the end whatever its width, cannot be much faster than this."""

SCHEDULE = Schedule(warmup_steps=700, steps=450)
EPOCHS = 4
"""A search and trainings that fit a demo of minutes; the defaults of both stages are longer."""

BUNDLE = "searched"
REQUEST, RESULT = "demo.json", "result.json"


@dataclass
class _Clock:
    """Seconds of each stage, announced as it begins."""

    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        self.say(f"{name}: {what}")
        start = perf_counter()
        yield
        self.seconds[name] = round(perf_counter() - start, 1)


def demo(
    out: str | Path = "runs/demo",
    *,
    latency_ms: float | None = None,
    seeds: int = 3,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Profile, search, train, export and verify, all into `out`; returns what `out`/result.json then holds.

    The budget is `latency_ms`, or a share of the way from the fastest to the slowest network of the space. The chosen
    network and MobileNetV2, at the width whose measured latency is the nearest not below the budget, are each trained
    `seeds` times by one recipe; the first of the chosen one is exported. `say` gets a line for each stage. A demo
    that was interrupted goes on; a finished one is only read again.
    """
    if latency_ms is not None:
        check_budget(latency_ms)
    out = Path(out)
    if _claim(out, {"latency_ms": latency_ms, "seeds": seeds, "seed": seed}):
        say(f"{out} holds this demo, finished: remove it to run it again")
        return read_json(out / RESULT, "demo result")
    clock = _Clock(say)
    with clock.stage("profile", f"every block of {SPACE} on this CPU, one thread"):
        table_path = out / f"{DEVICE}.{SPACE}.json"
        table = load_table(table_path if table_path.exists() else profile(SPACE, DEVICE, out=table_path, seed=seed))
    budget = _budget(table) if latency_ms is None else latency_ms
    with clock.stage("search", f"the most accurate network within {budget:g} ms"):
        found = search(table_path, budget, out=out / "search", seed=seed, schedule=SCHEDULE)
    with clock.stage("baseline", "the width of MobileNetV2 that is as slow"), devices.get(DEVICE) as device:
        widths = widths_of_mobilenet(table.classes, found.net().resolution)
        rival, rival_ms = nearest_not_below(widths, budget, device, table.reference_seconds)
    with clock.stage("train", f"both networks from scratch, {seeds} times each"):
        jobs = [Job(out / "search", out / f"{BUNDLE}-{i}", seed + i) for i in range(seeds)]
        jobs += [Job(rival, out / f"mobilenet_v2-{i}", seed + i) for i in range(seeds)]
        records = train_many(jobs, epochs=EPOCHS)
    with clock.stage("export", "the chosen network as an ONNX bundle"):
        bundle = out / "export" / BUNDLE
        if not bundle.exists():
            export(out / f"{BUNDLE}-0", name=BUNDLE, out=out / "export")
    with clock.stage("verify", "everything the bundle claims"):
        checked = verify(bundle)
    result = _result(found, rival, rival_ms, records, read_manifest(bundle), checked)
    result |= {"bundle": str(bundle), "seconds": clock.seconds}
    write_json(out / RESULT, result)
    return result


def _claim(out: Path, request: dict[str, Any]) -> bool:
    """Make `out` the folder of this demo; whether it is finished. Raises `InputError` if it is of anything else."""
    if not (out / REQUEST).exists():
        require_empty(out)
        write_json(out / REQUEST, request)
    if read_json(out / REQUEST, "demo request") != request:
        raise InputError(f"{out} holds a demo with other arguments: name another folder or remove it first")
    return (out / RESULT).exists()


def _budget(table: LatencyTable) -> float:
    """A budget with room on both sides, rounded to three digits."""
    fastest, slowest = table.predictor(registry.get(table.space, table.classes)).range()
    return float(f"{fastest + SHARE * (slowest - fastest):.3g}")


def _result(
    found: SearchRecord,
    rival: Net,
    rival_ms: Estimate,
    records: list[TrainRecord],
    manifest: Manifest,
    checked: dict[str, Any],
) -> dict[str, Any]:
    """The figures of the demo: `top1` is of the first seed, which is the exported one; `top1_seeds` are all."""
    half = len(records) // 2
    ours, theirs = (_accuracy(part) for part in (records[:half], records[half:]))
    latency, net = manifest.latency, found.net()
    result = {
        "budget_ms": found.latency_ms,
        "predicted_ms": found.predicted_ms,
        "measured_ms": latency.measured.ms,
        "measured_interval_ms": [latency.measured.low, latency.measured.high],
        "verified_ms": checked["measured_ms"],
        "onnx_top1": manifest.onnx_top1,
        "max_abs_logit_diff": manifest.max_abs_logit_diff,
        "name": net.name,
        "macs": net.macs,
        "params": net.params,
        **ours,
        "baseline": {
            "name": rival.name,
            "measured_ms": rival_ms.ms,
            "measured_interval_ms": [rival_ms.low, rival_ms.high],
            "macs": rival.macs,
            "params": rival.params,
            **theirs,
        },
    }
    return result | {"table": _table(result)}


def _accuracy(records: list[TrainRecord]) -> dict[str, Any]:
    """Top-1 of the first seed, of all, their mean and their spread (standard deviation; none of one)."""
    values = [record.top1 for record in records]
    spread = stdev(values) if len(values) > 1 else None
    return {"top1": values[0], "top1_seeds": values, "top1_mean": mean(values), "top1_spread": spread}


def _table(result: dict[str, Any]) -> str:
    """Both networks as text, a row each."""
    table = Table("network", "MACs", "parameters", "predicted ms", "measured ms (95 %)", "top-1 (mean ± spread)")
    for row in (result, result["baseline"]):
        low, high = row["measured_interval_ms"]
        spread = "" if row["top1_spread"] is None else f" ± {row['top1_spread']:.2%}"
        table.add_row(
            row["name"],
            f"{row['macs'] / 1e6:.2f} M",
            f"{row['params'] / 1e3:.0f} k",
            f"{row['predicted_ms']:.4f}" if "predicted_ms" in row else "not in the table",
            f"{row['measured_ms']:.4f} ({low:.4f}-{high:.4f})",
            f"{row['top1_mean']:.2%}{spread}",
        )
    text = io.StringIO()
    Console(file=text, width=120).print(f"budget {result['budget_ms']:g} ms", table)
    return text.getvalue().rstrip()
