"""The command that searches a network within a latency."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InputError
from ..output import lines, plain, show
from .app import AsJson, Data, Root, Seed, TorchThreads, app, share_or_none

if TYPE_CHECKING:
    from ..search.folder import SearchRecord


@app.command(epilog="Example: hwnas search --table latency_tables/cpu.proxyless-32.json --latency 0.09")
def search(
    latency: Annotated[float, typer.Option(help="The budget in ms.")],
    table: Annotated[
        str | None, typer.Option(help="The latency table, from `hwnas profile`, or one of `hwnas tables`.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="With --device, in place of --table: its table of a space.")] = None,
    device: Annotated[
        str | None,
        typer.Option(help="To measure on, a name or YAML file; with the table's threads.", show_default="the table's"),
    ] = None,
    measure: Annotated[
        bool | None,
        typer.Option("--measure/--no-measure", help="Whether the device decides.", show_default="unless published"),
    ] = None,
    data: Data = "fashion-mnist-small",
    out: Annotated[Path, typer.Option(help="Folder for the result; the same call again goes on there.")] = Path(
        "runs/search"
    ),
    warmup_steps: Annotated[
        int | None, typer.Option(min=0, help="Steps of the weights alone.", show_default="the strategy's, or 3000")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps of weights and architecture in turn.", show_default="the strategy's, or 3000"),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Images of a step, over all processes of a torchrun.")] = 32,
    sync_norm: Annotated[bool, typer.Option("--sync-norm", help="BatchNorm over all processes of a torchrun.")] = False,
    bfloat16: Annotated[bool | None, typer.Option(help="Compute in bfloat16.", show_default="on a GPU")] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile each block with torch.compile.")] = False,
    strategy: Annotated[str, typer.Option(help="One of `hwnas strategies`.")] = "proxyless",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Of the strategy, or weights.NAME, objective.NAME, evaluator.NAME."
        ),
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="What joins accuracy and latency.", show_default="the strategy's")
    ] = None,
    evaluator: Annotated[
        str | None,
        typer.Option(
            help="What samplers judge by: inherited, short, full, table, naswot, synflow, grad-norm, params, macs.",
            show_default="inherited",
        ),
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="Architectures that a sampler looks at.", show_default="200")
    ] = None,
    accuracies: Annotated[Path | None, typer.Option(help="The published table of the evaluator `table`.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of a search whose shared weights serve again, for another latency.")
    ] = None,
    sharing: Annotated[
        Literal["separate", "collapsed"] | None,
        typer.Option(
            help="Of weights: each candidate has its own, or all of an operation have slices of the same.",
            show_default="the strategy's",
        ),
    ] = None,
    used: Annotated[
        float,
        typer.Option(
            "--use", parser=share_or_none, metavar="SHARE", help="Of the latency aimed at to use, at least; 0: any."
        ),
    ] = "97%",  # type: ignore[assignment]
    finalists: Annotated[int, typer.Option(help="Best architectures to rank by accuracy and to measure.")] = 16,
    threads: TorchThreads = None,
    root: Root = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Search the most accurate network within a latency budget: as measured, or as predicted from published data."""
    path, device = _table_of(table, space, device)
    from ..pipeline.search import search as stage
    from ..search.plan import constants
    from ..strategies.loops import Schedule

    length = {"warmup_steps": warmup_steps, "steps": steps}
    schedule = Schedule(batch_size=batch_size, synchronised=sync_norm, bfloat16=bfloat16, compiled=compiled,
                        **{name: count for name, count in length.items() if count is not None})  # fmt: skip
    found = stage(path, latency, data, out=out, strategy=strategy, constants=constants(strategy, settings or []),
                  objective=objective, evaluator=evaluator, evaluations=evaluations, accuracies=accuracies,
                  weights=weights, sharing=sharing, used=used, finalists=finalists, seed=seed, schedule=schedule,
                  threads=threads, root=root, device=device, measured=measure)  # fmt: skip
    if found is not None:  # this is the first process, or the only one
        show({"out": out, **plain(found)}, as_json, "\n".join([f"{out}/net.json: {found.net().name}", *_chosen(found)]))


def _chosen(found: "SearchRecord") -> list[str]:
    """The latency of what a search chose."""
    at = found.measured
    said = f"measured {at.ms:.4f} ms ({at.low:.4f} to {at.high:.4f})" if at else "not measured"
    return [
        f"predicted {found.predicted_ms:.4f} ms (90 %: {found.predicted_low:.4f} to {found.predicted_high:.4f}), "
        f"{said}, budget {found.latency_ms:g} ms on {found.device.model}",
        f"predictions: {found.quality}",
        *lines("note", found.flags),
    ]


def _table_of(table: str | None, space: str | None, device: str | None) -> tuple[Path, str | None]:
    """The table's file, by its own name or by those of a device and a space, and the device if not the table's."""
    from ..latency.tables import find_table

    if table is not None and space is None:
        return find_table(table), device
    if table is not None or space is None or device is None:
        raise InputError("name the table by --table, or by --space and --device")
    if Path(device).suffix in (".yaml", ".yml"):
        from .. import devices as device_room

        return find_table(f"{device_room.describe(device).name}.{space}"), device
    return find_table(f"{device}.{space}"), None
