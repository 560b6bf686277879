"""The command that runs all stages, beside a published network."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import show
from .app import AsJson, Seed, app


@app.command(epilog="Example: hwnas demo --out runs/demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that it makes.")] = Path("runs/demo"),
    latency: Annotated[
        float | None, typer.Option(help="The latency asked for, in ms.", show_default="by the profile")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each of the two networks.")] = 3,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """All stages on the packaged images and this CPU, against MobileNetV2 at the same latency."""
    from ..pipeline.demo import demo as stage

    found = stage(out, latency_ms=latency, seeds=seeds, seed=seed)
    show(found, as_json, f"\n{found.table()}\n\n{found.bundle}")
