"""The images of a folder of tar shards: packed with an index, or written by others."""

from pathlib import Path

import numpy as np
import torch

from ..progress import Progress
from .decode import FITTING, prepared_pillow
from .folder import divide, list_images, require_known_classes
from .listing import Listing, Sample
from .packed import PackedListing, decoded_where_few, is_packed, list_packed, read_packed
from .reading import Reading
from .scanned import scan_shards, tar_files
from .sources import Source
from .splits import Images
from .streamed import StreamedSplit


def has_shards(path: Path) -> bool:
    """Whether the folder holds shards: those that `hwnas data pack` wrote, or tar files and no folders."""
    return is_packed(path) or (path.is_dir() and bool(tar_files(path)) and not any(map(Path.is_dir, path.iterdir())))


def list_data(path: Path, progress: Progress = None) -> Listing:
    """What is in a folder or list of images, or in a folder of shards. Raises as `list_images` and `read_shards`."""
    return _listing(path, progress) if has_shards(path) else list_images(path)


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
    allowed = int(reading.max_bad * sum(map(len, splits.values())))
    found: dict[str, StreamedSplit] = {}
    for split, samples in splits.items():
        places = np.array([listing.places[name] for name, _ in samples], np.int64)
        labels = torch.tensor([label for _, label in samples], dtype=torch.int64)
        found[split] = StreamedSplit(listing.store, places, labels, resolution, fitting, allowed)
    return decoded_where_few(found, reading, progress)
