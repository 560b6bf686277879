"""The commands about images: what is wrong with a folder, and the folder as shards."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..output import show, table_text
from .app import HELP, AsJson, MaxBad, app

if TYPE_CHECKING:
    from ..training.check import DataCheck

commands = typer.Typer(help="Check the images of a folder, or pack them as shards.", context_settings=HELP,
                       no_args_is_help=True)  # fmt: skip
app.add_typer(commands, name="data")

NAMED = 8
"""Names, at most, that a list of a page has."""
CLASSES = 40
MOST_BAD = 0.01

DataPath = Annotated[
    Path, typer.Argument(help="A folder with one folder per class, a CSV or JSON Lines file of path,label, or shards.")
]


@commands.command(epilog="Example: hwnas data check photos/ --sheet photos.png")
def check(
    data: DataPath,
    sheet: Annotated[Path | None, typer.Option(help="Also write a picture of a few images a class there.")] = None,
    max_bad: MaxBad = None,
    as_json: AsJson = False,
) -> None:
    """Look at every image: classes, kinds, sizes, what is skipped and why, and what is there twice."""
    from ..pipeline.data import check as stage

    found = stage(data, sheet=sheet, max_bad=MOST_BAD if max_bad is None else max_bad)
    show(found, as_json, "\n".join([*_page(found), *([f"contact sheet: {sheet}"] if sheet else [])]))


@commands.command(epilog="Example: hwnas data pack photos/ --out shards/")
def pack(
    data: DataPath,
    out: Annotated[Path, typer.Option(help="Folder for the shards, which must not exist or be empty.")],
    shard_mb: Annotated[int, typer.Option("--shard-mb", min=1, help="Megabytes of a shard.")] = 256,
    max_bad: MaxBad = None,
    as_json: AsJson = False,
) -> None:
    """Write the images as tar shards with an index: few large files, for many images or several machines."""
    from ..pipeline.data import pack as stage

    found = stage(data, out=out, max_bad=MOST_BAD if max_bad is None else max_bad, shard_bytes=shard_mb * 10**6)
    images = ", ".join(f"{count} {split}" for split, count in found.images.items())
    text = f"{out}: {len(found.index.shards)} shards, {found.bytes / 1e6:,.1f} MB; images: {images}"
    skipped = found.index.skipped
    text += f"; {len(skipped)} skipped, as {next(iter(skipped))}" if skipped else ""
    show(found, as_json, text)


def _page(found: "DataCheck") -> Iterator[str]:
    """What was found, for a person."""
    counts = ", ".join(f"{count} {split}" for split, count in found.images.items())
    yield f"{found.path}: {found.layout}"
    yield f"{len(found.classes)} classes; {counts} images; {found.bytes / 1e6:,.1f} MB"
    shown = found.classes[:CLASSES]
    yield table_text([{"class": one.name, **one.images} for one in shown])
    if len(found.classes) > len(shown):
        yield f"and {len(found.classes) - len(shown)} other classes"
    yield "kinds: " + ", ".join(f"{count} {kind}" for kind, count in found.kinds.items())
    if found.sizes:
        small, middle, large = (f"{width}×{height}" for width, height in found.sizes)
        yield f"sizes: {small} to {large}, the median {middle}"
    for oddity, count in found.oddities.items():
        yield f"  {count} {oddity}"
    yield from _named("unreadable, skipped", found.unreadable)
    yield from _named("ignored", found.ignored)
    twice = {names[0]: "same file as " + ", ".join(names[1:4]) for names in found.duplicates}
    yield from _named("there more than once", twice)
    yield from _named("like a training image", dict(found.alike))
    yield from (f"problem: {problem}" for problem in found.problems)
    if not found.problems:
        yield "nothing is wrong"


def _named(title: str, names: Mapping[str, str]) -> Iterator[str]:
    """How many names there are, and the first of them with what is said of each."""
    if names:
        yield f"{title}: {len(names)}"
        yield from (f"  {name}: {text}" for name, text in list(names.items())[:NAMED])
        if len(names) > NAMED:
            yield f"  and {len(names) - NAMED} others (--json has all)"
