"""The published networks: listed and shown."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..output import facts, listing, show
from .app import AsJson, called_alone, group

if TYPE_CHECKING:
    from ..pipeline.zoo import NetworkDescription

commands = group("zoo", "List the published networks, show one, or write it to a file.")


@commands.callback(epilog="Example: hwnas zoo --json")
def zoo(context: typer.Context, as_json: AsJson = False) -> None:
    """List the published networks, each of which `hwnas measure` takes by its name."""
    from ..pipeline.zoo import summaries

    if not called_alone(context, **{"--json": as_json}):
        return
    rows = summaries()
    if not as_json:
        rows = [{"name": row["name"], "M MACs": _millions(row["macs"]), "M parameters": _millions(row["params"]),
                 "resolution": row["resolution"], "source": row["source"]} for row in rows]  # fmt: skip
    listing(rows, as_json)


@commands.command("show", epilog="Example: hwnas zoo show mobilenet_v3_large --classes 10 --out net.json")
def show_(
    name: Annotated[str, typer.Argument(help="One of the list.")],
    classes: Annotated[int, typer.Option(help="Outputs of the network.")] = 1000,
    resolution: Annotated[
        int | None, typer.Option(help="Pixels of an image a side.", show_default="the published")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the network here, as a net.json to train.")] = None,
    as_json: AsJson = False,
) -> None:
    """A network as timm's block strings, or where those cannot tell it, block by block."""
    from ..pipeline.zoo import describe

    found = describe(name, classes, resolution, out)
    show(found, as_json, "\n".join(_lines(found)))


def _lines(found: "NetworkDescription") -> list[str]:
    """The description of a network as lines for a person."""
    lines = [
        f"{found.name}: {found.source}",
        f"{_millions(found.macs)} M MACs, {_millions(found.params)} M parameters; "
        f"images of {found.resolution} px, {found.classes} classes, eps {found.eps:g}",
    ]
    if found.timm is None:
        return [*lines, f"block by block, as {found.no_timm}:", *found.blocks]
    others = {name: value for name, value in asdict(found.timm).items() if name not in ("stages", "eps")}
    return [*lines, f"as timm's block strings, a stage a line, with {facts(others)}:", *found.timm.stages]


def _millions(count: int) -> str:
    return f"{count / 1e6:,.4g}" if count < 1e10 else f"{count / 1e6:,.0f}"
