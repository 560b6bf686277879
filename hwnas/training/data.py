"""Data sets by name or folder, as uint8 tensors in memory.

The test split is for reporting. Whatever is chosen (a network, a recipe, an epoch) is chosen on a validation split,
which `holdout` takes of the training split.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..progress import Progress
from .folder import image_folder
from .sources import READERS, Source
from .splits import Split, holdout

__all__ = ["DEFAULT", "Dataset", "Split", "holdout", "load", "load_recorded"]

DEFAULT = "fashion-mnist-small"
"""The data set shipped in the package."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Two splits of square images, and what a network needs to know of them.

    `labels` are the names of the classes. `mean` and `std` are per channel, over the training images with values in
    0 to 1. `flip` says that a mirrored image is as good an example. `fitting` says how images came to their size.
    """

    name: str
    labels: tuple[str, ...]
    train: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    fitting: str

    @property
    def resolution(self) -> int:
        """Height and width of the images in pixels."""
        return self.train.images.shape[-1]

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all images and labels, in hexadecimal."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(split.images.contiguous().numpy().data)
            digest.update(split.labels.numpy().data)
        return digest.hexdigest()[:16]

    def at(self, resolution: int) -> "Dataset":
        """The same data set with images of `resolution` pixels a side."""
        if resolution == self.resolution:
            return self
        return replace(self, train=self.train.at(resolution), test=self.test.at(resolution))

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
    spec: str | Path | Dataset = DEFAULT, resolution: int = 32, root: Path | None = None, progress: Progress = True
) -> Dataset:
    """The data set `spec` with images of `resolution` pixels.

    `spec` is a name in `READERS`, a folder with one folder of images per class (see `image_folder`), or a data set that
    was loaded before at that resolution. `root` is where torchvision keeps, or will download, the named sets that are
    not packaged; by default the folder `data`. `progress` is that of decoding a folder. Raises `InputError`
    ("data.*") for anything that cannot be used, naming it.
    """
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
    if str(spec) in READERS:
        source = READERS[str(spec)](resolution, root or Path("data"))
    elif Path(spec).is_dir():
        source = image_folder(Path(spec), resolution, progress)
    else:
        raise InputError(
            f"no data set {spec}: name one of {', '.join(READERS)}, or a folder with one folder per class",
            code="data.unknown",
            name=str(spec),
        )
    return _with_statistics(source)


def load_recorded(
    recorded: str, data: str | Path | None, resolution: int, root: Path | None, progress: Progress = True
) -> Dataset:
    """The data set `recorded` in a run or a bundle, or `data` in its place.

    Raises `InputError` ("data.folder-needed") where that was a folder of images and `data` is not given.
    """
    if data is None and recorded not in READERS:
        raise InputError(
            f"the data set {recorded} is a folder of images: give its path again (--data)",
            code="data.folder-needed",
            name=recorded,
        )
    return load(data or recorded, resolution, root, progress)


def _with_statistics(source: Source) -> Dataset:
    """`source` with the statistics of its training images."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    chunks = torch.split(source.train.images, 1024)  # a histogram in chunks: exact, and no float copy of all the images
    histograms = [torch.stack([c.flatten().bincount(minlength=256) for c in chunk.unbind(1)]) for chunk in chunks]
    counts = torch.stack(histograms).sum(0)
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = share @ levels
    variance = share @ levels**2 - mean**2
    std = variance.clamp(min=255.0**-2).sqrt()  # images of one flat colour have none to divide by
    means, stds = (tuple(round(value, 6) for value in values.tolist()) for values in (mean, std))
    return Dataset(**vars(source), mean=means, std=stds)
