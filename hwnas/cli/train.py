"""The command that trains a network: twelve options, and every other setting by --set or --config."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..output import show
from .app import AsJson, ConfigFile, MaxBad, Root, SeedOrConfigured, TorchThreads, app, configure, share, share_or_path

if TYPE_CHECKING:
    from ..training.run import TrainRecord


@app.command(epilog="Example: hwnas train runs/search --data photos/ --set lr=0.004 --out runs/chosen")
def train(
    net: Annotated[Path | None, typer.Argument(help="A net.json, or the folder of a search.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="fashion-mnist-small, cifar10, fashion-mnist, a folder of one folder per class, a CSV file or shards.",
            show_default="fashion-mnist-small",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the result; the same call again goes on there.")] = Path(
        "runs/train"
    ),
    recipe: Annotated[
        str | None,
        typer.Option(help="One of `hwnas recipes`, or package.module:attribute, file.py:attr.", show_default="quick"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.", show_default="the recipe's")] = None,
    shift: Annotated[
        float | None,
        typer.Option(parser=share, metavar="SHARE", help="Shift images by up to this share of their size, as 12.5%."),
    ] = None,
    mirror: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror", help="Mirror half of the images, left to right.", show_default="the recipe's"
        ),
    ] = None,
    val: Annotated[
        Path | None,
        typer.Option(
            parser=share_or_path, metavar="SHARE|FOLDER", show_default="10%",
            help="What the best epoch is chosen on: a share of the training images, where the data have no validation "
            "split, or a folder of others; 0: the last epoch.",
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            help="Weights to begin with: timm:NAME, a file, the folder of a run or a search, or supernet: the shared "
            "weights of the search that found NET.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="WEIGHTS", help="A teacher, named likewise; supernet: the largest of the search."),
    ] = None,
    max_bad: MaxBad = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write figures for TensorBoard too, into the result's folder.")
    ] = False,
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
    """Train a network, from scratch or from weights that were trained before."""
    from ..pipeline.train import train as stage
    from ..training.config import TrainConfig

    options = {
        "net": net, "data": data, "recipe_name": recipe, "recipe.epochs": epochs, "recipe.shift": shift,
        "recipe.mirror": mirror, "val": val, "reading.max_bad": max_bad, "tensorboard": tensorboard or None,
        "init": init, "teacher": teacher,
        "threads": threads, "root": root, "seed": seed,
    }  # fmt: skip
    found = stage(configure(TrainConfig, config, options, settings), out=out)
    if os.environ.get("RANK", "0") == "0":  # of the processes of a torchrun, one prints
        show({"out": out, **found.record.to_json()}, as_json, f"{out}: {_line(found.record)}")


def _line(record: "TrainRecord") -> str:
    """The result in words."""
    line = f"top-1 {record.top1:.2%}"
    if record.validation is not None:
        line += f" (validation {record.validation.top1:.2%}, epoch {record.epoch} of {record.recipe.epochs})"
    mirrored = "mirrored" if record.recipe.mirror else "not mirrored"
    return f"{line}, by {record.config.recipe_name}, images {mirrored}, in {record.seconds:.0f} s"
