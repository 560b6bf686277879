"""The images of a folder of tar shards: packed with an index, or written by others."""

from pathlib import Path

import numpy as np
import torch

from ..progress import Progress
from .decode import FITTING, prepared_pillow
from .folder import divide, require_known_classes
from .listing import Listing, Sample
from .memory import fits_memory
from .packed import PackedListing, decoded, is_packed, list_packed, read_packed
from .reading import Reading
from .scanned import scan_shards, tar_files
from .sources import Source
from .splits import Images
from .streamed import StreamedSplit


def has_shards(path: Path) -> bool:
    """Whether the folder holds shards: those that `hwnas data pack` wrote, or tar files and no folders."""
    return is_packed(path) or (path.is_dir() and bool(tar_files(path)) and not any(map(Path.is_dir, path.iterdir())))


def list_shards(path: Path, progress: Progress = None) -> Listing:
    """What is in a folder of shards, as `list_folder` tells it of a folder of images. Raises as `read_shards`."""
    return _listing(path, progress)


def read_shards(path: Path, resolution: int, reading: Reading, progress: Progress, fitting: str = FITTING) -> Source:
    """The images of a folder of shards; few are decoded into memory, as those of a folder of images are.

    Raises `InputError` for an index that is not whole ("data.shards"), a shard that is missing, empty, cut or of
    another size than it had ("data.shard"), and as `scan_shards`.
    """
    if is_packed(path):
        return read_packed(path, resolution, reading, progress, fitting)
    listing = scan_shards(path, progress)
    found = _read(listing, divide(listing), resolution, reading, progress, fitting)
    name = path.resolve().name
    return Source(name, listing.labels, found["train"], found["test"], True, fitting, found.get("val"))


def read_shards_as_one(
    path: Path, labels: tuple[str, ...], resolution: int, reading: Reading, progress: Progress, fitting: str = FITTING
) -> Images:
    """All images of a folder of shards, whatever splits it has, whose classes are among `labels`. Raises `InputError`
    for others ("data.other-classes"), and as `read_shards`."""
    listing = _listing(path, progress)
    require_known_classes(path, listing, labels)
    samples = [(name, labels.index(listing.labels[label])) for name, label in listing.samples]
    return _read(listing, {"val": samples}, resolution, reading, progress, fitting)["val"]


def _listing(path: Path, progress: Progress) -> PackedListing:
    return list_packed(path) if is_packed(path) else scan_shards(path, progress)


def _read(
    listing: PackedListing, splits: dict[str, list[Sample]], resolution: int, reading: Reading, progress: Progress,
    fitting: str,
) -> dict[str, Images]:  # fmt: skip
    """Every split, streamed or in memory."""
    prepared_pillow()
    total = sum(map(len, splits.values()))
    allowed = int(reading.max_bad * total)
    stream = reading.stream if reading.stream is not None else not fits_memory(total, resolution, reading.memory)
    found: dict[str, Images] = {}
    for split, samples in splits.items():
        places = np.array([listing.places[name] for name, _ in samples], np.int64)
        labels = torch.tensor([label for _, label in samples], dtype=torch.int64)
        images = StreamedSplit(listing.store, places, labels, resolution, fitting, allowed)
        found[split] = images if stream else decoded(images, progress)
    return found
