"""The search: its main options, and every other setting by --set or --config."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..clock import duration_text
from ..output import lines, plain, show
from ..threads import wait_asleep_where_busy
from .app import AsJson, ConfigFile, MaxBad, SeedOrConfigured, app, configure, share_or_path

if TYPE_CHECKING:
    from ..search.record import SearchRecord


@app.command(epilog="Example: hwnas search --table cpu.proxyless-32 --latency 0.09 --strategy spos --evaluations 100")
def search(
    table: Annotated[
        str | None, typer.Option(help="The latency table: a file of `hwnas profile`, or one of `hwnas tables`.")
    ] = None,
    latency: Annotated[float | None, typer.Option(help="The most milliseconds that the network may take.")] = None,
    device: Annotated[
        str | None,
        typer.Option(help="To measure on, a name or YAML file; with the table's threads.", show_default="the table's"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="fashion-mnist-small, cifar10, fashion-mnist, a folder of one folder per class, a CSV file or shards.",
            show_default="fashion-mnist-small",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the result; the same call again goes on there.")] = Path(
        "runs/search"
    ),
    strategy: Annotated[
        str | None, typer.Option(help="One of `hwnas strategies`, or file.py:Class.", show_default="proxyless")
    ] = None,
    evaluator: Annotated[
        str | None,
        typer.Option(
            help="What samplers score by: inherited, short, full, table, naswot, synflow, grad-norm, params, macs.",
            show_default="inherited",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Steps of the shared weights after the warm-up.", show_default="the strategy's, or 3000"),
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="Architectures that a sampler evaluates.", show_default="200")
    ] = None,
    val: Annotated[
        Path | None,
        typer.Option(
            parser=share_or_path, metavar="SHARE|FOLDER", show_default="the validation split of the data, or 25%",
            help="What is chosen on: a share of the training images, or a folder of others.",
        ),
    ] = None,
    max_bad: MaxBad = None,
    seed: SeedOrConfigured = None,
    config: ConfigFile = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE",
            help="Any other setting, such as weights.batch_size=64, finalists.use=0.9, threads=2, objective=tunas, "
            "evaluator.epochs=3, or a constant of the strategy. May be repeated.",
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Folder of a search whose shared weights serve again.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            help="A trained network that the shared weights begin with, where it fits: the folder of a run or a "
            "search, timm:NAME, or NET=FILE.",
        ),
    ] = None,
    measure: Annotated[
        bool | None,
        typer.Option("--measure/--no-measure", help="Whether the device decides.", show_default="unless published"),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="The table's space again, where that is not built in or installed: file.yaml, file.py:attribute.",
            show_default="the table's",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Search the most accurate network within a latency: as measured, or as predicted from published data."""
    from ..search.config import SearchConfig

    options = {
        "table": table, "latency_ms": latency, "device": device, "data": data, "strategy": strategy,
        "evaluator": evaluator, "weights.steps": steps, "evaluations": evaluations, "seed": seed,
        "weights.from_run": weights, "weights.init": init, "val": val, "reading.max_bad": max_bad, "measure": measure,
        "space": space,
    }  # fmt: skip
    asked = configure(SearchConfig, config, options, settings)
    busy = wait_asleep_where_busy() if asked.threads != 1 else 0.0
    from ..pipeline.search import search as stage  # which loads torch

    found = stage(asked, out=out)
    if os.environ.get("RANK", "0") == "0":  # of the processes of a torchrun, one prints
        record = found.record
        text = "\n".join([f"{out}/net.json: {found.net().name}", *_latency_lines(record), *_busy_lines(busy)])
        show({"out": out, **plain(record)}, as_json, text)


def _latency_lines(record: "SearchRecord") -> list[str]:
    """The latency of what a search chose."""
    at = record.measured
    said = f"measured {at.both_clocks()}" if at else "not measured"
    return [
        f"predicted {record.predicted_ms:.4f} ms (90 %: {record.predicted_low:.4f} to {record.predicted_high:.4f}), "
        f"{said}, at most {record.latency_ms:g} ms on {record.device.model}",
        f"predictions: {record.quality}",
        *_duration_lines(record),
        *lines("note", record.flags),
    ]


def _duration_lines(record: "SearchRecord") -> list[str]:
    """What the parts of a search took, and of how many steps; nothing of older records, which do not say it."""

    if not record.seconds:
        return []
    weights = record.request["config"]["weights"]
    warmup, total = weights["warmup_steps"], weights["warmup_steps"] + weights["steps"]
    steps = f"; {total} steps, {warmup} of them to warm up (weights.warmup_steps)" * ("supernet" in record.seconds)
    return [f"took {duration_text(record.seconds)}{steps}"]


def _busy_lines(cores: float) -> list[str]:
    """A hint where others kept so many `cores` busy as the search began."""
    text = (
        f"threads: other programs kept {cores:.1f} cores busy, so torch's threads slept while they waited for each "
        "other; there --set threads=1 can be twice as fast (with results that differ by rounding)"
    )
    return lines("note", [text] if cores else [])
