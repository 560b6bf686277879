"""The command that writes a trained network as a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import plain, show
from .app import AsJson, DataAgain, Root, app


@app.command(epilog="Example: hwnas export runs/chosen --name chosen")
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    name: Annotated[str | None, typer.Option(show_default="the run's")] = None,
    out: Annotated[Path, typer.Option(help="Where bundles go.")] = Path("export"),
    device: Annotated[str | None, typer.Option(help="One of `hwnas devices`.", show_default="the search's")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads there.", show_default="the search's")] = None,
    data: DataAgain = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Write a trained network as a bundle: ONNX model, weights, preprocessing and a manifest with proof."""
    from ..deploy.bundle import read_manifest
    from ..pipeline.export import export as stage

    folder = stage(run, name=name, out=out, device=device, threads=threads, data=data, root=root)
    found = read_manifest(folder)
    measured = found.latency.measured
    text = f"{folder}: top-1 {found.onnx_top1:.2%}, {measured.ms:.4f} ms ({measured.low:.4f} to {measured.high:.4f})"
    show({"bundle": folder, **plain(found)}, as_json, text)
