"""Tar shards of images (as webdataset writes them) with an index of where each image is: read at random."""

import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ..errors import InputError
from ..files import parse, read_json, versioned, write_json
from ..nn.state import write_tensors
from ..progress import Progress
from .decode import FITTING, Given, prepared_pillow
from .listing import Listing, Sample
from .reading import Reading
from .sources import Source
from .splits import Images, Split
from .statistics import in_threads
from .streamed import Names, StreamedSplit

INDEX, PLACES = "index.json", "places.safetensors"
SCHEMA = 1
LABEL = ".cls"
"""The ending of the member that has the label of an image, as a number; webdataset's convention."""


@dataclass(frozen=True)
class Shard:
    """A tar file of the folder: its name, size in bytes, and how many images of which split it has."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    file: str
    bytes: int
    images: int
    split: str


@dataclass(frozen=True)
class Index:
    """What is in a folder of shards: the contents of `index.json`; `places.safetensors` says where each image is."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    labels: tuple[str, ...]
    shards: tuple[Shard, ...]
    skipped: dict[str, str]
    """Why an image is not in the shards, by its name: it could not be read."""


_INDEX = TypeAdapter(Index)


@dataclass(frozen=True, eq=False)
class ImageShards:
    """Images in tar files: of each the number of its file, and where in it its bytes are."""

    folder: Path
    files: tuple[str, ...]
    names: Names
    numbers: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    _open: dict[tuple[int, int], int] = field(default_factory=dict, init=False)

    def locate(self, place: int) -> Given:
        """The bytes of an image."""
        number, size = int(self.numbers[place]), int(self.sizes[place])
        found = os.pread(self._descriptor(number), size, int(self.offsets[place]))
        if len(found) < size:
            raise OSError(f"{self.files[number]} ends before the image")
        return found

    def _descriptor(self, number: int) -> int:
        """The open file of a shard; each process opens its own."""
        key = (os.getpid(), number)
        if key not in self._open:
            self._open[key] = os.open(self.folder / self.files[number], os.O_RDONLY)
        return self._open[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}


def is_packed(path: Path) -> bool:
    """Whether the folder holds shards that `hwnas data pack` wrote."""
    return (path / INDEX).is_file() and (path / PLACES).is_file()


def read_packed(path: Path, resolution: int, reading: Reading, progress: Progress, fitting: str = FITTING) -> Source:
    """The images of a folder of shards; few are decoded into memory, as those of a folder of images are.

    Raises `InputError` for an index that is not whole ("data.shards"), a shard that is missing, empty or of another
    size than it had ("data.shard").
    """
    index = read_index(path)
    prepared_pillow()
    store, labels = _read_places(path, index)
    allowed = int(reading.max_bad * len(labels))
    found: dict[str, StreamedSplit] = {}
    start = 0
    for split in dict.fromkeys(shard.split for shard in index.shards):
        count = sum(shard.images for shard in index.shards if shard.split == split)
        places = np.arange(start, start + count)
        found[split] = StreamedSplit(store, places, labels[start : start + count], resolution, fitting, allowed)
        start += count
    splits = decoded_where_few(found, reading, progress)
    notes = (f"{len(index.skipped)} images could not be read when it was packed",) if index.skipped else ()
    return Source(index.name, index.labels, splits["train"], splits["test"], True, fitting, splits.get("val"), notes)


class PackedListing(Listing):
    """What is in shards, as a listing: `places` has where in the `store` an image is."""

    store: ImageShards
    places: dict[str, int]

    def locate(self, name: str) -> Given:
        """The bytes of the image `name`."""
        return self.store.locate(self.places[name])


def list_packed(path: Path) -> PackedListing:
    """What is in a folder of shards, as `list_folder` tells it of a folder of images. Raises as `read_packed`."""
    index = read_index(path)
    store, labels = _read_places(path, index)
    samples = [(store.names[place], int(label)) for place, label in enumerate(labels.tolist())]
    splits: dict[str, list[Sample]] = {}
    start = 0
    for shard in index.shards:
        splits.setdefault(shard.split, []).extend(samples[start : start + shard.images])
        start += shard.images
    listing = PackedListing(path, index.labels, splits, f"{len(index.shards)} shards of {index.name}",
                             [(name, f"not packed: {reason}") for name, reason in index.skipped.items()])  # fmt: skip
    listing.store, listing.places = store, {name: place for place, (name, _) in enumerate(samples)}
    return listing


def decoded_where_few(
    splits: Mapping[str, StreamedSplit], reading: Reading, progress: Progress
) -> dict[str, Images]:  # fmt: skip
    """The `splits` of a data set in memory, or streamed as they are where `reading` says so of all together."""
    if reading.streams(sum(map(len, splits.values())), next(iter(splits.values())).resolution):
        return dict(splits)
    return {split: _decoded(images, progress) for split, images in splits.items()}


def _decoded(images: Images, progress: Progress) -> Images:
    """`images` in memory."""
    parts = [part.clone() for part in in_threads(images, np.arange(len(images)), "images", progress)]
    return Split(torch.cat(parts), images.labels)


def read_index(path: Path) -> Index:
    """The index of a folder, whose shards are all there and as large as they were. Raises `InputError`."""
    value = versioned(read_json(path / INDEX, "shard index"), SCHEMA, path / INDEX, "shard index")
    index = parse(_INDEX, value, path / INDEX)
    for shard in index.shards:
        file = path / shard.file
        size = file.stat().st_size if file.is_file() else -1
        if size != shard.bytes:
            what = "is missing" if size < 0 else "is empty" if not size else f"has {size} bytes, not {shard.bytes}"
            raise InputError(f"the shard {file} {what}: copy or pack it again", code="data.shard", path=file,
                             size=size, expected=shard.bytes)  # fmt: skip
    return index


def _read_places(path: Path, index: Index) -> tuple[ImageShards, torch.Tensor]:
    """Where every image is, and the labels, int64 (N,)."""
    try:
        found = load_file(path / PLACES)
        names = Names(found["names"].tobytes(), found["name_ends"])
        files = tuple(shard.file for shard in index.shards)
        store = ImageShards(path.resolve(), files, names, found["numbers"], found["offsets"], found["sizes"])
        labels = found["labels"]
    except (OSError, KeyError, SafetensorError) as error:
        raise InputError(f"{path / PLACES} is not whole: {error}: pack the images again", code="data.shards",
                         path=path / PLACES) from None  # fmt: skip
    if not len(names) == len(labels) == sum(shard.images for shard in index.shards):
        raise InputError(f"{path / PLACES} is not of {INDEX}: pack the images again", code="data.shards",
                         path=path / PLACES)  # fmt: skip
    return store, torch.from_numpy(labels)


def write_index(path: Path, index: Index, names: Names) -> None:
    """Look where the images of the finished shards of `index` are, and write that down with it."""
    places = [place for number, shard in enumerate(index.shards) for place in _members(path / shard.file, number)]
    numbers, offsets, sizes, labels = np.array(places, np.int64).reshape(-1, 4).T
    arrays = {"numbers": numbers, "offsets": offsets, "sizes": sizes, "labels": labels,
              "names": np.frombuffer(names.text, np.uint8), "name_ends": names.ends}  # fmt: skip
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
    write_tensors(path / PLACES, tensors)
    write_json(path / INDEX, {"schema": SCHEMA, **_INDEX.dump_python(index, mode="json")})


def _members(file: Path, number: int) -> Iterator[tuple[int, int, int, int]]:
    """Of each image of a shard: the number, where it is, its size, and its label."""
    found: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    with tarfile.open(file) as shard:
        for member in shard:
            key, end = os.path.splitext(member.name)
            if end == LABEL:
                content = shard.extractfile(member)
                assert content is not None, "a label is a file"
                labels[key] = int(content.read())
            else:
                found[key] = member.offset_data, member.size
    return ((number, *place, labels[key]) for key, place in found.items())
