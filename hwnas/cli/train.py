"""The command that trains a network."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import show
from .app import AsJson, Data, Root, Seed, TorchThreads, app, share


@app.command(epilog="Example: hwnas train runs/search --data photos/ --out runs/chosen")
def train(
    net: Annotated[Path, typer.Argument(help="A net.json, or the folder of a search.")],
    data: Data = "fashion-mnist-small",
    out: Annotated[Path, typer.Option(help="Folder for the result; the same call again goes on there.")] = Path(
        "runs/train"
    ),
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.", show_default="the recipe's")] = None,
    shift: Annotated[
        float | None,
        typer.Option(parser=share, metavar="SHARE", help="Shift images by up to this share of their size, as 12.5%."),
    ] = None,
    threads: TorchThreads = None,
    root: Root = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train a network from scratch."""
    from ..pipeline.train import train as stage

    found = stage(net, data, out=out, epochs=epochs, shift=shift, seed=seed, threads=threads, root=root)
    text = f"{out}: top-1 {found.top1:.2%} in {found.record.seconds:.0f} s"
    show({"out": out, **found.record.to_json()}, as_json, text)
