"""The data sets that have names: the packaged one, and two that torchvision can fetch."""

import contextlib
import gzip
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..errors import InputError
from ..install import require
from .memory import require_memory
from .splits import Images, Split

FASHION_LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""As torchvision names them."""


@dataclass(frozen=True, eq=False)
class Source:
    """A data set as read; the fields are those of `Dataset`."""

    name: str
    labels: tuple[str, ...]
    train: Images
    test: Images
    flip: bool
    fitting: str
    val: Images | None = None
    notes: tuple[str, ...] = ()


def resize_or_pad(images: torch.Tensor, resolution: int) -> tuple[torch.Tensor, str]:
    """uint8 images (N, C, S, S) as (N, 3, resolution, resolution), and how in words: up to 4 pixels are padded with
    zeros, anything else is resized."""
    count, channels, size, _ = images.shape
    require_memory(count, resolution)
    missing = resolution - size
    how = "as they are"
    if 0 < missing <= 4:
        before = missing // 2
        images = functional.pad(images, (before, missing - before) * 2)
        how = f"zero padding from {size} pixels"
    elif missing:
        images = functional.interpolate(images, (resolution, resolution), mode="bilinear", antialias=True)
        how = f"bilinear resizing from {size} pixels"
    return images.expand(-1, 3, -1, -1) if channels == 1 else images, how  # a view: grey takes no more memory


def _source(name: str, labels: tuple[str, ...], splits: list[tuple[torch.Tensor, torch.Tensor]], to: int) -> Source:
    """`splits` are (images, labels) of training and test."""
    (train, fitting), (test, _) = (resize_or_pad(images, to) for images, _ in splits)
    return Source(name, labels, Split(train, splits[0][1]), Split(test, splits[1][1]), True, fitting)


def read_idx(packed: bytes) -> torch.Tensor:
    """The uint8 array in a gzipped IDX file: two zeros, the type, the number of dimensions, each as 4 bytes, items."""
    raw = gzip.decompress(packed)
    shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape).copy())


def _packaged(resolution: int, root: Path) -> Source:
    folder = files("hwnas") / "data" / "fashion-mnist-small"
    splits = []
    for split in ("train", "t10k"):
        images, labels = (
            read_idx((folder / f"{split}-{part}-ubyte.gz").read_bytes()) for part in ("images-idx3", "labels-idx1")
        )
        splits.append((images[:, None], labels.long()))
    return _source("fashion-mnist-small", FASHION_LABELS, splits, resolution)


def _torchvision_sets(name: str, kind: str, root: Path) -> list[Any]:
    """torchvision's training and test set of the class `kind` from `root`, downloaded only if they are not there."""
    dataset = getattr(require("torchvision.datasets"), kind)
    was_there = root.exists()
    try:
        return [dataset(root, train=train) for train in (True, False)]
    except RuntimeError:  # torchvision's word for not found
        pass
    try:
        with contextlib.redirect_stdout(sys.stderr):  # it prints as it downloads, and standard output is for results
            return [dataset(root, train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        for folder in () if was_there else [*sorted(root.rglob("*"), reverse=True), root]:
            with contextlib.suppress(OSError):  # what was begun may hold a file
                folder.rmdir()
        raise InputError(
            f"{name} is neither in the folder {root} nor can it be downloaded ({reason}): "
            f"name the torchvision root that has it, or use fashion-mnist-small, which needs no download",
            code="data.not-available",
            name=name,
            root=root,
        ) from None


def _fashion_mnist(resolution: int, root: Path) -> Source:
    splits = [(part.data[:, None], part.targets) for part in _torchvision_sets("fashion-mnist", "FashionMNIST", root)]
    return _source("fashion-mnist", FASHION_LABELS, splits, resolution)


def _cifar10(resolution: int, root: Path) -> Source:
    """CIFAR-10 comes pickled; torchvision unpickles nothing whose MD5 is not the published one."""
    sets = _torchvision_sets("cifar10", "CIFAR10", root)
    splits = [(torch.from_numpy(part.data).permute(0, 3, 1, 2), torch.tensor(part.targets)) for part in sets]
    return _source("cifar10", tuple(sets[0].classes), splits, resolution)


READERS: dict[str, Callable[[int, Path], Source]] = {
    "fashion-mnist-small": _packaged,
    "fashion-mnist": _fashion_mnist,
    "cifar10": _cifar10,
}
"""Reader of every named data set: (resolution, torchvision's root) to `Source`."""
