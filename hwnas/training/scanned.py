"""Tar shards that others wrote, without an index: their headers are read once, and images then at random."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..progress import Progress, show_progress
from .kinds import UNREADABLE, readable_suffixes
from .listing import Sample, checked, split_of
from .packed import ImageShards, PackedListing
from .streamed import Names

LABELS = ("cls", "json")
"""Endings of members that say the class: its number or name; or an object that has it under one of `KEYS`."""
KEYS = ("label", "cls", "class", "class_name", "class_id")
BLOCK = 512
"""Bytes that members are filled up to; an archive ends with two blocks of zeros."""


@dataclass
class _Item:
    """The members of one key: where its images are, (offset, bytes), by their ending, and its class."""

    images: dict[str, tuple[int, int]] = field(default_factory=dict)
    label: str | None = None


def tar_files(path: Path) -> list[Path]:
    """The shards in a folder that has no index, in the order of their names."""
    return sorted(file for file in path.glob("*.tar") if not file.name.startswith("."))


def scan_shards(path: Path, progress: Progress = None) -> PackedListing:
    """What is in a folder of tar files as webdataset takes them: 000.jpg and 000.cls (or 000.json) for each image.

    A shard is of the split that its name begins with, as train-000.tar; where none is of training and another one, all
    are one set. Classes are in the order of their numbers, or of their names. Raises `InputError` for a shard that is
    empty, cut or no archive ("data.shard"), a key without a label or with several images ("data.shard-item"), and as
    `list_folder`.
    """
    files = tar_files(path)
    places: list[tuple[int, int, int]] = []
    names: list[str] = []
    labels: list[str] = []
    with show_progress("shards", len(files), progress) as report:
        for number, file in enumerate(files):
            for key, item in _items(file).items():
                end, (offset, size) = _only_image(file, key, item)
                places.append((number, offset, size))
                names.append(f"{file.stem}/{key}.{end}")
                labels.append(_label_of(file, key, item))
            report(number + 1)
    classes = sorted(set(labels), key=lambda text: (0, int(text), "") if text.isdecimal() else (1, 0, text))
    numbers = {label: number for number, label in enumerate(classes)}
    samples = [(name, numbers[label]) for name, label in zip(names, labels, strict=True)]
    of, offsets, sizes = np.array(places, np.int64).reshape(-1, 3).T.copy()
    store = ImageShards(path.resolve(), tuple(file.name for file in files), Names.of(names), of, offsets, sizes)
    listing = PackedListing(path, tuple(classes), _splits(files, samples, of), f"{len(files)} tar shards")
    listing.store, listing.places = store, {name: place for place, name in enumerate(names)}
    checked(listing)
    return listing


def _splits(files: list[Path], samples: list[Sample], of: np.ndarray) -> dict[str, list[Sample]]:
    """The samples by the split of their shard, or all as one."""
    splits = [split_of(file.name.partition("-")[0].partition("_")[0].partition(".")[0]) for file in files]
    if None in splits or "train" not in splits or len(set(splits)) < 2:
        return {"all": samples}
    found: dict[str, list[Sample]] = {}
    for sample, number in zip(samples, of.tolist(), strict=True):
        found.setdefault(str(splits[number]), []).append(sample)
    return found


def _items(file: Path) -> dict[str, _Item]:
    """The members of a shard by their key, which is all up to the first dot of their name."""
    found: dict[str, _Item] = {}
    ends = readable_suffixes() | set(UNREADABLE)
    for member, content in _members(file):
        folder, _, name = member.name.rpartition("/")
        key, _, end = name.partition(".")
        if not key:  # hidden, or a companion of macOS
            continue
        item = found.setdefault(f"{folder}/{key}".lstrip("./"), _Item())
        if content is not None:
            item.label = _read_label(content, end) or item.label
        elif f".{end.lower()}" in ends:
            item.images[end] = member.offset_data, member.size
    return found


def _members(file: Path) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    """The files in a shard, which must be whole; with their contents where they say a label."""
    try:
        with tarfile.open(file, "r:") as shard:
            end = 0
            for member in shard:
                end = member.offset_data + -(-member.size // BLOCK) * BLOCK
                if not member.isfile():
                    continue
                label = shard.extractfile(member) if member.name.rpartition(".")[2] in LABELS else None
                yield member, label.read() if label else None
    except (OSError, tarfile.TarError) as error:
        size = file.stat().st_size
        reason = f"is empty: {error}" if not size else f"is no whole tar archive: {error}"
        raise _damaged(file, reason if size else "is empty") from None
    if file.stat().st_size < end + BLOCK:
        raise _damaged(file, "is cut off: the end of the archive is missing")


def _read_label(content: bytes, end: str) -> str | None:
    """The number or name of a class."""
    try:
        text = content.decode().strip()
        if end != "json":
            return text or None
        value: Any = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, dict):
        value = next((value[key] for key in KEYS if key in value), None)
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None


def _only_image(file: Path, key: str, item: _Item) -> tuple[str, tuple[int, int]]:
    """The ending and the place of the image of a key."""
    if len(item.images) != 1:
        what = f"has {len(item.images)} images" if item.images else "has no image that is known"
        raise _odd(file, key, what)
    return next(iter(item.images.items()))


def _label_of(file: Path, key: str, item: _Item) -> str:
    if item.label is None:
        raise _odd(file, key, f"has no label: a member .cls with its class, or .json with one of {', '.join(KEYS)}")
    return item.label


def _odd(file: Path, key: str, what: str) -> InputError:
    return InputError(f"the shard {file}: {key} {what}", code="data.shard-item", path=file, key=key)


def _damaged(file: Path, what: str) -> InputError:
    return InputError(f"the shard {file} {what}: copy or write it again", code="data.shard", path=file,
                      size=file.stat().st_size)  # fmt: skip
