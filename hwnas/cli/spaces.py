"""The search spaces: listed and shown."""

from typing import Annotated, Any

import typer

from ..output import listing, show, table_text
from ..space import registry
from .app import AsJson, alone, group

commands = group("spaces", "List the built-in search spaces, or show one.")


@commands.callback(epilog="Example: hwnas spaces --json")
def spaces(context: typer.Context, as_json: AsJson = False) -> None:
    """List the built-in search spaces."""
    if not alone(context, **{"--json": as_json}):
        return
    built = [registry.get(name) for name in registry.SPACES]
    rows = [{"name": s.name, "slots": len(s.slots), "networks": s.size, "blocks": len(s.blocks()),
             "resolution": s.resolution, "classes": s.classes, "source": s.source} for s in built]  # fmt: skip
    listing(rows, as_json)


@commands.command("show", epilog="Example: hwnas spaces show fbnet --table pixel3.fbnet")
def show_(
    name: Annotated[str, typer.Argument(help="One of the list.")],
    classes: Annotated[int | None, typer.Option(help="Outputs of the networks.", show_default="the space's")] = None,
    table: Annotated[
        str | None, typer.Option(help="A latency table of this space, by file or name: adds the range of latencies.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a space decides, how many networks it has, and the range of their costs."""
    from ..pipeline.spaces import describe

    found = describe(name, classes, table)
    show(found, as_json, "\n".join(_told(found)))


def _told(found: dict[str, Any]) -> list[str]:
    """The description of a space as lines for a person."""
    macs, params, latency = found["macs"], found["params"], found["latency"]
    again = f", by {found['architectures']:,} architectures" if found["architectures"] != found["networks"] else ""
    rows = [{**slot, "options": ", ".join(slot["options"])} for slot in found["slots"]]
    lines = [
        f"{found['space']}: {found['source']}",
        f"{found['networks']:,} networks (10^{found['networks_log10']}){again}",
        f"{_millions(macs)} M MACs, {_millions(params)} M parameters",
        f"images of {', '.join(map(str, found['resolutions']))} px, {found['classes']} classes; "
        f"{found['blocks']} distinct blocks",
    ]
    if latency:
        fastest, slowest = latency["predicted_ms"]
        lines.append(f"{fastest:.4g} to {slowest:.4g} ms predicted for {latency['device']} from {latency['table']}")
        lines.append(latency["quality"])
    return [*lines, table_text(rows)]


def _millions(ends: tuple[int, int]) -> str:
    return " to ".join(f"{end / 1e6:.4g}" for end in ends)
