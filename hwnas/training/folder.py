"""Any folder that torchvision's `ImageFolder` can read, decoded once into memory."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.datasets import ImageFolder

from ..errors import InputError
from ..progress import progress, silent
from .memory import require_memory
from .sources import Source
from .splits import Split, stratified

TEST_FRACTION = 0.2
SPLIT_SEED = 0
FITTING = "shorter side to the size (bilinear), then centre crop"


def image_folder(folder: Path, resolution: int, show: bool = True) -> Source:
    """The images under `folder`: either in `train/` and `test/` (or `val/`) with one folder per class in each, or
    directly in one folder per class, of which a fixed fifth is then the test split.

    Raises `InputError` for fewer than two classes, an empty class, or an image that cannot be read.
    """
    parts = [folder / name for name in ("train", "test", "val")]
    given = [part for part in parts if part.is_dir() and any(child.is_dir() for child in part.iterdir())]
    if parts[0] not in given:
        labels, samples = _listing(folder)
        targets = np.array([label for _, label in samples])
        for label, count in Counter(targets.tolist()).items():
            if count < 2:
                raise InputError(f"{folder}: class {labels[label]} has one image; training and testing need one each")
        splits = [[samples[i] for i in chosen] for chosen in stratified(targets, TEST_FRACTION, SPLIT_SEED)]
    elif len(given) == 1:
        raise InputError(f"{folder} has a folder train but neither test nor val with class folders")
    else:
        (labels, train), (others, test) = (_listing(part) for part in given[:2])
        if labels != others:
            odd = sorted(set(labels) ^ set(others))
            raise InputError(f"{folder}: {given[0].name} and {given[1].name} differ in classes: {', '.join(odd)}")
        splits = [train, test]
    require_memory(sum(map(len, splits)), resolution)
    train, test = (_decoded(samples, resolution, show) for samples in splits)
    return Source(folder.resolve().name, labels, train, test, True, FITTING)


def _listing(folder: Path) -> tuple[tuple[str, ...], list[tuple[str, int]]]:
    """The class names, and (path, class) of every image, both in alphabetical order."""
    try:
        found = ImageFolder(folder, allow_empty=True)
    except FileNotFoundError:
        raise InputError(f"{folder} has no folders: it needs one folder of images per class") from None
    if len(found.classes) < 2:
        raise InputError(f"{folder} has only one class, {found.classes[0]}: a classifier needs at least two")
    for label, name in enumerate(found.classes):
        if label not in found.targets:
            raise InputError(f"{folder}: class {name} holds no image")
    return tuple(found.classes), found.samples


def _decoded(samples: list[tuple[str, int]], resolution: int, show: bool) -> Split:
    """Every image of `samples`, decoded by one thread per processor."""
    images = torch.empty(len(samples), 3, resolution, resolution, dtype=torch.uint8)

    def decode(index: int) -> None:
        images[index] = _read(samples[index][0], resolution)

    shown = progress("images", len(samples)) if show else nullcontext(silent)
    with shown as report, ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(decode, range(len(samples))), start=1):
            report(done, "")
    return Split(images, torch.tensor([label for _, label in samples]))


def _read(path: str, resolution: int) -> torch.Tensor:
    """The image in `path` as uint8 (3, resolution, resolution)."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (resolution, resolution))  # lets JPEG decode at a fraction of its size, where larger
            square = ImageOps.fit(image.convert("RGB"), (resolution, resolution), Image.Resampling.BILINEAR)
            return torch.from_numpy(np.array(square)).permute(2, 0, 1)
    except Exception as error:  # a decoder fed with damaged bytes can fail in any way
        raise InputError(f"cannot read the image {path}: {error}") from None
