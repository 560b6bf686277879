"""Stages about images: what is in a folder and what is wrong with it, and the folder as shards."""

from os import PathLike
from pathlib import Path

from ..progress import Progress
from ..training import check as checking
from ..training import pack as packing
from ..training.check import DataCheck
from ..training.pack import SIZE, Packed
from ..training.reading import Reading
from ..training.sheet import write_sheet

__all__ = ["DataCheck", "Packed", "check", "pack"]


def check(
    data: str | PathLike[str],
    *,
    sheet: str | PathLike[str] | None = None,
    max_bad: float = 0.01,
    progress: Progress = True,
) -> DataCheck:
    """Look at every image of the folder, list or shards `data`, and say what is in it and what is wrong with it.

    With `sheet`, a contact sheet of a few images a class as a network gets them is written there. `max_bad` is the
    share of images that training is to skip at most. Raises `InputError` where there are no classes.
    """
    found = checking.check(Path(data), max_bad, progress)
    if sheet is not None:
        write_sheet(Path(data), Path(sheet))
    return found


def pack(
    data: str | PathLike[str],
    *,
    out: str | PathLike[str],
    max_bad: float = 0.01,
    shard_bytes: int = SIZE,
    progress: Progress = True,
) -> Packed:
    """Write the images of the folder or list `data` as tar shards of about `shard_bytes` into the new folder `out`.

    `out` is then a data set wherever the folder was one, with the same splits and the same fingerprint when streamed.
    It is there as a whole or not at all. Raises `InputError` for what cannot be packed.
    """
    return packing.pack(Path(data), Path(out), Reading(max_bad=max_bad), shard_bytes, progress)
