"""The command that writes a trained network as a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import show
from .app import AsJson, ConfigFile, DataAgain, Root, app, configure


@app.command(epilog="Example: hwnas export runs/chosen --name chosen")
def export(
    run: Annotated[Path | None, typer.Argument(help="The folder of a training run.")] = None,
    name: Annotated[str | None, typer.Option(show_default="the run's")] = None,
    out: Annotated[Path, typer.Option(help="Where bundles go.")] = Path("export"),
    device: Annotated[str | None, typer.Option(help="One of `hwnas devices`.", show_default="the search's")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads there.", show_default="the search's")] = None,
    data: DataAgain = None,
    root: Root = None,
    config: ConfigFile = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any setting. May be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a trained network as a bundle: ONNX model, weights, preprocessing and a manifest with proof."""
    from ..pipeline.export import ExportConfig
    from ..pipeline.export import export as stage

    options = {"run": run, "name": name, "device": device, "threads": threads, "data": data, "root": root}
    bundle = stage(configure(ExportConfig, config, options, settings), out=out)
    claims = bundle.manifest
    pace = "a quiet machine's" if claims.latency.predicted_ms is None else "the table's"
    text = f"{bundle.path}: top-1 {claims.onnx_top1:.2%}, {claims.latency.measured.both_clocks(pace)}"
    show({"bundle": bundle.path, **claims.to_json()}, as_json, text)
