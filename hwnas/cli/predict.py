"""The command that predicts the latency of architectures."""

from typing import Annotated

import typer

from ..output import lines, show
from .app import AsJson, app


@app.command(epilog="Example: hwnas predict --table pixel3.fbnet --arch 0-0-2-8-8-3-0-2-2-3-6-2-2-3-6-2-2-3-7-3-2-3")
def predict(
    table: Annotated[str, typer.Option(help="A latency table's file, or its name among `hwnas tables`.")],
    arch: Annotated[
        list[str], typer.Option(help="Indices joined by '-', a net.json, or the folder of a search; may be repeated.")
    ],
    level: Annotated[float, typer.Option(help="Part of measurements that fall into the interval.")] = 0.9,
    borrow: Annotated[
        list[str] | None, typer.Option(help="A table of another device to learn from as well; may be repeated.")
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="The space of the table again, where that is not built in or installed: file.yaml, file.py:attribute.",
            show_default="the table's",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict the latency of architectures from a table, with how far to trust it."""
    from ..pipeline.predict import predict as stage

    found = stage(table, arch, level=level, borrow=borrow or (), space=space)
    text = [
        f"{one.arch}: {one.ms:.4g} ms ({100 * level:g} % of cases: {one.low:.4g} to {one.high:.4g})"
        for one in found.networks
    ]
    on = f"predicted, not measured, for {found.device.model} from {found.table}"
    show(found, as_json, "\n".join([*text, f"{on}: {found.quality}", *lines("note", found.flags)]))
