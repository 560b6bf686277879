"""The latency tables: listed, shown, compared and merged."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..output import facts, lines, listing, show, table_text
from .app import AsJson, called_alone, group

if TYPE_CHECKING:
    from ..pipeline.tables import TableDescription

commands = group("tables", "List the latency tables, show one, compare or merge two.")

Table = Annotated[str, typer.Argument(help="A table's file, or its name in the list.")]
Other = Annotated[str, typer.Argument(help="Another one.")]


@commands.callback(epilog="Example: hwnas tables --json")
def tables(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Option(help="Where to look before hwnas's own.", show_default="latency_tables")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the latency tables: what was measured, from the fastest to the slowest network, and the error."""
    from ..latency.tables import FOLDER
    from ..pipeline.tables import summaries

    if called_alone(context, **{"--json": as_json, "--folder": folder}):
        if folder is not None and not folder.is_dir():
            raise typer.BadParameter(f"--folder {folder} is not a folder")
        listing(summaries(folder or FOLDER), as_json)


@commands.command("show", epilog="Example: hwnas tables show pixel3.fbnet")
def show_(table: Table, as_json: AsJson = False) -> None:
    """Everything that there is to know of a table: device, range, error, origin, blocks."""
    from ..pipeline.tables import describe

    found = describe(table)
    show(found, as_json, "\n".join(_description_lines(found)))


def _description_lines(found: "TableDescription") -> list[str]:
    """The description of a table as lines for a person."""
    origin, measured, predicted = found.origin, found.measured_ms, found.predicted_ms
    source = [f"published by {origin.source}, licence {origin.licence}"] if origin else []
    session = facts({name: getattr(found, name) for name in ("reference_ms", "overhead_ms", "precision", "seconds")})
    return [
        f"{found.path}: {found.space} with {found.classes} classes on {found.device.device}, "
        f"date {found.date}, identity {found.identity}",
        facts(asdict(found.device)),
        *([session] if session else []),
        *source,
        f"{found.networks} networks from {measured[0]:.4g} to {measured[1]:.4g} ms, {found.blocks} blocks; "
        f"predicted for all of the space: {predicted[0]:.4g} to {predicted[1]:.4g} ms",
        found.quality_text,
        *lines("note", (*(origin.notes if origin else ()), *found.flags)),
        *(table_text(list(map(asdict, blocks))) for blocks in (found.slowest_blocks, found.fastest_blocks) if blocks),
    ]


@commands.command(epilog="Example: hwnas tables diff pixel3.fbnet raspi4.fbnet")
def diff(first: Table, second: Other, as_json: AsJson = False) -> None:
    """Compare two tables of one space: what they depend on, what was measured, and what they predict."""
    from ..pipeline.tables import diff as stage

    found = stage(first, second)
    text = [*lines("differs", found.identity), f"rank correlation of the predictions: {found.spearman:.4f}"]
    own, same = "each at its own reference time", "both at one reference time"
    for at, kinds in ((own, found.at_own_reference), (same, found.at_same_reference)):
        for kind, by in kinds.items():
            text += [f"{by.count} {kind}, {at}: they differ by {by.median:.2%} (median), {by.largest:.2%} at most"]
            text += [table_text([{kind: name, "first ms": one, "second ms": other} for name, one, other in by.worst])]
    show(found, as_json, "\n".join(text))


@commands.command(
    epilog="Example: hwnas tables merge monday.json tuesday.json --out both.json (two tables of hwnas profile --out)"
)
def merge(
    first: Table,
    second: Other,
    out: Annotated[Path, typer.Option(help="The new file.")],
    as_json: AsJson = False,
) -> None:
    """Write what two measured tables of one device and space know as one, at the reference time of the first.

    Of a block or network in both, the estimate with the narrower interval is kept.
    """
    from ..pipeline.tables import merge as stage

    found = stage(first, second, out).table
    text = f"{out}: {len(found.rows)} blocks and {len(found.networks.ms)} networks; {found.quality}"
    rows = {"table": out, "rows": len(found.rows), "networks": len(found.networks.ms), "quality": found.quality}
    show(rows, as_json, "\n".join([text, *lines("note", found.flags)]))
