"""The command that measures one model."""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..output import lines, plain, show, table_text
from .app import AsJson, DeviceName, DeviceThreads, app

if TYPE_CHECKING:
    from ..devices.base import Breakdown
    from ..pipeline.measure import MeasureResult


@app.command(epilog="Example: hwnas measure export/fashion-mnist-small --device cpu")
def measure(
    target: Annotated[
        Path,
        typer.Argument(
            help="Any ONNX file, the folder of a bundle, search or training, a net.json, or one of `hwnas zoo`."
        ),
    ],
    device: DeviceName = "cpu",
    threads: DeviceThreads = None,
    precision: Annotated[float, typer.Option(help="Relative half-width of the 95 % interval to reach.")] = 0.01,
    time_limit: Annotated[float, typer.Option(help="Seconds of measuring at most.")] = 30.0,
    size: Annotated[
        int | None, typer.Option(min=1, help="Size of what an ONNX file leaves free, such as height and width.")
    ] = None,
    operators: Annotated[int, typer.Option(min=0, help="Types of operators to name, the slowest first.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Measure one model at its own batch, 1 where that is free: its latency, its memory, and where the time goes."""
    from ..pipeline.measure import measure as stage

    found = stage(target, device, threads=threads, precision=precision, time_limit=time_limit, size=size)
    value = {**plain(found), "ms_per_image": found.ms_per_image} if as_json else found
    show(value, as_json, "\n".join([*_latency(found), *_breakdown(found, operators)]))


def _latency(found: "MeasureResult") -> list[str]:
    at, on = found.latency, found.device
    batch = f"batch {on.batch}: {found.ms_per_image:.4f} ms an image"
    weights = f"{found.model} is a network without its weights: they are random, which changes no latency"
    return [
        f"{found.target}: {at.ms:.4f} ms (95 %: {at.low:.4f} to {at.high:.4f}) on {on.model}, "
        f"{on.runtime} {on.version}, threads: {on.threads}, {on.precision}",
        f"p50 {at.p50:.4f}, p90 {at.p90:.4f}, p99 {at.p99:.4f} ms over {at.rounds} visits; "
        f"{at.outliers:.0%} of the visits not counted, as something else was running",
        *([batch] if on.batch > 1 else []),
        *lines("note", [weights] if found.random_weights else []),
        *lines("note", found.flags),
    ]


def _breakdown(found: "MeasureResult", count: int) -> list[str]:
    """Memory and operators, as far as the device tells."""
    breakdown = found.breakdown
    if breakdown is None:
        return [f"memory and operators: not told by this device ({found.no_breakdown})"]
    peak = breakdown.peak_bytes
    memory = "not told by this device" if peak is None else f"{peak / 2**20:.1f} MiB at most"
    rows = _types(breakdown)
    title = f"the slowest {count} of {len(rows)} types of operators" if len(rows) > count else "operators"
    table = [f"{title} (while being watched, which slows them):", table_text(rows[:count])] if count and rows else []
    return [f"memory: {memory}", *table]


def _types(breakdown: "Breakdown") -> list[dict[str, Any]]:
    """A row for each type of operator, the slowest first: how many there are, and their share of the time."""
    spent = defaultdict(list)
    for operator in breakdown.operators:
        spent[operator.type].append(operator.seconds)
    total = sum(map(sum, spent.values()))
    found = sorted(spent.items(), key=lambda entry: -sum(entry[1]))
    return [
        {"operator": kind, "count": len(times), "ms": f"{sum(times) * 1e3:.4f}", "share": f"{sum(times) / total:.1%}"}
        for kind, times in found
        if total > 0
    ]
