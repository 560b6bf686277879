"""The command that trains a network: seven options, and every other setting by --set or --config."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import show
from .app import AsJson, ConfigFile, Root, SeedOrConfigured, TorchThreads, app, configure, share


@app.command(epilog="Example: hwnas train runs/search --data photos/ --set lr=0.004 --out runs/chosen")
def train(
    net: Annotated[Path | None, typer.Argument(help="A net.json, or the folder of a search.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="fashion-mnist-small, cifar10, fashion-mnist, or a folder with one folder per class.",
            show_default="fashion-mnist-small",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the result; the same call again goes on there.")] = Path(
        "runs/train"
    ),
    recipe: Annotated[
        str | None,
        typer.Option(help="The recipe by name, or package.module:attribute, file.py:attribute.", show_default="cosine"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.", show_default="the recipe's")] = None,
    shift: Annotated[
        float | None,
        typer.Option(parser=share, metavar="SHARE", help="Shift images by up to this share of their size, as 12.5%."),
    ] = None,
    threads: TorchThreads = None,
    root: Root = None,
    seed: SeedOrConfigured = None,
    config: ConfigFile = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE",
            help="Any other setting, such as batch_size=128, lr=0.004 or one of the recipe. May be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Train a network from scratch."""
    from ..pipeline.train import train as stage
    from ..training.config import TrainConfig

    options = {
        "net": net, "data": data, "recipe_name": recipe, "recipe.epochs": epochs, "recipe.shift": shift,
        "threads": threads, "root": root, "seed": seed,
    }  # fmt: skip
    found = stage(configure(TrainConfig, config, options, settings), out=out)
    text = f"{out}: top-1 {found.top1:.2%} in {found.record.seconds:.0f} s"
    show({"out": out, **found.record.to_json()}, as_json, text)
