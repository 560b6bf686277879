"""Data sets by name, folder, list of labels or shards; small ones in memory, others decoded as they are needed.

The test split is for reporting. Whatever is chosen (a network, a recipe, an epoch) is chosen on a validation split,
see `Dataset.divided`.
"""

import hashlib
import logging
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..progress import Progress
from .decode import FITTING, READINGS
from .folder import read_images, read_one_split
from .label_list import SUFFIXES
from .memory import give_back_freed_memory
from .reading import Reading
from .shards import has_shards, read_shards, read_shards_as_one
from .sources import READERS
from .splits import Images, Split, holdout
from .statistics import channel_statistics

__all__ = ["DEFAULT", "Dataset", "Images", "Split", "holdout", "load", "load_recorded"]

logger = logging.getLogger(__name__)

DEFAULT = "fashion-mnist-small"
"""The data set shipped in the package."""
STREAMED = "files-"
"""What the fingerprint of streamed images begins with: it is of their names, sizes, labels, and the bytes of some."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Two splits of square images, and what a network needs to know of them.

    `labels` are the names of the classes. `mean` and `std` are per channel, over the training images with values in
    0 to 1. `flip` says that a mirrored image is as good an example. `fitting` says how images came to their size.
    `val` is the validation split, where there is one beside the others. `notes` are what to know of how it was read,
    such as images that were skipped: one line each. `whole` is the fingerprint from before `val` was asked for.
    """

    name: str
    labels: tuple[str, ...]
    train: Images
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    fitting: str
    val: Images | None = None
    notes: tuple[str, ...] = ()
    whole: str = ""

    @property
    def resolution(self) -> int:
        """Height and width of the images in pixels."""
        return self.train.resolution

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all images and labels, in hexadecimal: of pixels, or where they are streamed, see `STREAMED`."""
        return self.whole or _digest(self.train, self.test)

    def divided(self, share: float, seed: int) -> tuple[Images, Images]:
        """What to train on, and what to choose by: the validation split that is given, or a random `share` of each
        class of the training split, which is not trained on then. Raises as `holdout` does."""
        return holdout(self.train, share, seed, self.labels) if self.val is None else (self.train, self.val)

    @property
    def val_fingerprint(self) -> str:
        """A digest of the validation split alone; nothing where there is none."""
        return "" if self.val is None else _digest(self.val)

    def with_validation(self, share: float, seed: int) -> "Dataset":
        """The same data set with a random `share` of each class of the training split as `val`. Raises as `holdout`."""
        rest, val = holdout(self.train, share, seed, self.labels)
        return replace(self, train=rest, val=val, whole=self.fingerprint)

    def at(self, resolution: int) -> "Dataset":
        """The same data set with images of `resolution` pixels a side."""
        if resolution == self.resolution:
            return self
        val = self.val and self.val.at(resolution)
        return replace(self, train=self.train.at(resolution), test=self.test.at(resolution), val=val)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 images (N, 3, H, W) as a network takes them: float32, channels_last, mean 0 and deviation 1.

        numpy does it in the calling thread alone, so that batches can be made beside a step that has torch's threads.
        """
        pixels = images.numpy()
        count, channels, height, width = pixels.shape
        normalised = np.empty((count, height, width, channels), np.float32)
        means, stds = 255 * np.array((self.mean, self.std), np.float32)
        for channel, (mean, std) in enumerate(zip(means, stds, strict=True)):
            levels = np.subtract(pixels[:, channel], mean, dtype=np.float32)
            normalised[..., channel] = np.divide(levels, std, out=levels)
        return torch.from_numpy(normalised).permute(0, 3, 1, 2)


def load(
    spec: str | Path | Dataset = DEFAULT,
    resolution: int = 32,
    root: Path | None = None,
    progress: Progress = True,
    reading: Reading | None = None,
    fitting: str | None = None,
    val: Path | None = None,
) -> Dataset:
    """The data set `spec` with images of `resolution` pixels.

    `spec` is a name in `READERS`, a folder with one folder of images per class (see `list_folder`), a CSV or JSON Lines
    file of paths and labels (`list_labelled`), a folder of tar shards (`read_shards`), or a data set that was loaded
    before at that resolution. `root` is where torchvision keeps, or will download, the named sets that are not
    packaged; by default the folder `data`. `progress` is that of decoding. `reading` says how the files are read, and
    `fitting`, of a record, how they become squares. `val` is a folder, list or shards of validation images, which are
    no part of the fingerprint. Raises `InputError` ("data.*") for anything that cannot be used, naming it.
    """
    reading = reading or Reading()
    if resolution < 1:
        raise InputError(
            f"images have at least 1 pixel a side, not {resolution}", code="data.resolution", resolution=resolution
        )
    if isinstance(spec, Dataset):
        if spec.resolution != resolution:
            raise InputError(
                f"{spec.name} was loaded at {spec.resolution} px and is needed at {resolution} px: load it again",
                code="data.resolution",
                resolution=spec.resolution,
                needed=resolution,
            )
        return spec
    fitting = fitting if fitting in READINGS else FITTING
    if str(spec) in READERS:
        source = READERS[str(spec)](resolution, root or Path("data"))
    elif has_shards(Path(spec)):
        source = read_shards(Path(spec), resolution, reading, progress, fitting)
    elif Path(spec).is_dir() or Path(spec).suffix.lower() in SUFFIXES:
        source = read_images(Path(spec), resolution, reading, progress, fitting)
    else:
        raise InputError(
            f"no data set {spec}: name one of {', '.join(READERS)}, a folder with one folder per class, or a CSV file",
            code="data.unknown",
            name=str(spec),
        )
    for note in source.notes:
        logger.warning("%s: %s", source.name, note)
    means, stds = channel_statistics(source.train, reading.statistics, progress)
    dataset = Dataset(**vars(source), mean=means, std=stds)
    if val is not None:
        read_validation = read_shards_as_one if has_shards(val) else read_one_split
        images = read_validation(val, dataset.labels, resolution, reading, progress, fitting)
        dataset = replace(dataset, val=images, whole=dataset.fingerprint)
    if dataset.train.streamed:
        give_back_freed_memory()
    return dataset


def load_recorded(
    recorded: str, data: str | Path | None, resolution: int, root: Path | None, progress: Progress = True,
    fingerprint: str = "", fitting: str | None = None, reading: Reading | None = None,
) -> Dataset:  # fmt: skip
    """The data set `recorded` in a run or a bundle, or `data` in its place, read as `fingerprint` and `fitting` say.

    Raises `InputError` ("data.folder-needed") where that was a folder of images and `data` is not given.
    """
    if data is None and recorded not in READERS:
        raise InputError(
            f"the data set {recorded} is a folder of images: give its path again (--data)",
            code="data.folder-needed",
            name=recorded,
        )
    reading = reading or Reading()
    if fingerprint:
        # that they are the same images is known by the fingerprint, however many of the files cannot be read
        reading = reading.model_copy(update={"stream": fingerprint.startswith(STREAMED), "max_bad": 1.0})
    return load(data or recorded, resolution, root, progress, reading, fitting)


def _digest(*splits: Images) -> str:
    digest = hashlib.sha256()
    for part in chain.from_iterable(split.contents() for split in splits):
        digest.update(part)
    return (STREAMED if splits[0].streamed else "") + digest.hexdigest()[:16]
