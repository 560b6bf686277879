"""Any folder that torchvision's `ImageFolder` can read, decoded once into memory."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..install import require
from ..progress import Progress, show_progress
from .memory import require_memory
from .sources import Source
from .splits import Split, stratified

TEST_SHARE = 0.2
SPLIT_SEED = 0
FITTING = "shorter side to the size (bilinear), then centre crop"

Sample = tuple[str, int]
"""The path of an image, and its class."""


def image_folder(folder: Path, resolution: int, progress: Progress = True) -> Source:
    """The images under `folder`: either in `train/` and `test/` (or `val/`) with one folder per class in each, or
    directly in one folder per class, of which a fixed fifth is then the test split.

    Raises `InputError` for fewer than two classes ("data.one-class", "data.no-folders"), an empty class
    ("data.empty-class"), a class that cannot be split ("data.class-too-small"), splits that do not belong together
    ("data.no-test-split", "data.other-classes"), and an image that cannot be read ("data.image").
    """
    given = _split_folders(folder)
    if given:
        labels, train_samples, test_samples = _list_splits(folder, given)
    else:
        labels, train_samples, test_samples = _split_samples(folder)
    require_memory(len(train_samples) + len(test_samples), resolution)
    train, test = (_decode(samples, resolution, progress) for samples in (train_samples, test_samples))
    return Source(folder.resolve().name, labels, train, test, True, FITTING)


def _split_folders(folder: Path) -> list[Path]:
    """Those of `folder`/train, test and val that hold folders; none where train does not, which is then a class."""
    candidates = [folder / name for name in ("train", "test", "val")]
    found = [path for path in candidates if path.is_dir() and any(child.is_dir() for child in path.iterdir())]
    return found if candidates[0] in found else []


def _split_samples(folder: Path) -> tuple[tuple[str, ...], list[Sample], list[Sample]]:
    """The classes of `folder` with the samples of a training and a test split."""
    labels, samples = _list_samples(folder)
    targets = np.array([label for _, label in samples])
    for label, count in Counter(targets.tolist()).items():
        if count < 2:
            raise InputError(
                f"{folder}: class {labels[label]} has one image; training and testing need one each",
                code="data.class-too-small",
                label=labels[label],
            )
    train, test = stratified(targets, TEST_SHARE, SPLIT_SEED)
    return labels, [samples[i] for i in train], [samples[i] for i in test]


def _list_splits(folder: Path, given: list[Path]) -> tuple[tuple[str, ...], list[Sample], list[Sample]]:
    """The classes of the folder with the samples of its training split, and of the test split beside it."""
    if len(given) == 1:
        raise InputError(
            f"{folder} has a folder train but neither test nor val with class folders: add one",
            code="data.no-test-split",
            folder=folder,
        )
    (labels, train), (others, test) = (_list_samples(path) for path in given[:2])
    if labels != others:
        odd = sorted(set(labels) ^ set(others))
        raise InputError(
            f"{folder}: {given[0].name} and {given[1].name} differ in classes: {', '.join(odd)}",
            code="data.other-classes",
            labels=tuple(odd),
        )
    return labels, train, test


def _list_samples(folder: Path) -> tuple[tuple[str, ...], list[Sample]]:
    """The class names, and (path, class) of every image, both in alphabetical order."""
    try:
        found = require("torchvision.datasets").ImageFolder(folder, allow_empty=True)
    except FileNotFoundError:
        raise InputError(
            f"{folder} has no folders: it needs one folder of images per class",
            code="data.no-folders",
            folder=folder,
        ) from None
    if len(found.classes) < 2:
        raise InputError(
            f"{folder} has only one class, {found.classes[0]}: a classifier needs at least two",
            code="data.one-class",
            label=found.classes[0],
        )
    for label, name in enumerate(found.classes):
        if label not in found.targets:
            raise InputError(f"{folder}: class {name} holds no image", code="data.empty-class", label=name)
    return tuple(found.classes), found.samples


def _decode(samples: list[Sample], resolution: int, progress: Progress) -> Split:
    """Every image of `samples`, decoded by one thread per processor."""
    images = torch.empty(len(samples), 3, resolution, resolution, dtype=torch.uint8)
    require("PIL.ImageOps")  # before the threads, of which only one can import it

    def decode(index: int) -> None:
        images[index] = _read_image(samples[index][0], resolution)

    with show_progress("images", len(samples), progress) as report, ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(decode, range(len(samples))), start=1):
            report(done, "")
    return Split(images, torch.tensor([label for _, label in samples]))


def _read_image(path: str, resolution: int) -> torch.Tensor:
    """The image in `path` as uint8 (3, resolution, resolution)."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            image.draft("RGB", (resolution, resolution))  # lets JPEG decode at a fraction of its size, where larger
            square = ImageOps.fit(image.convert("RGB"), (resolution, resolution), Image.Resampling.BILINEAR)
            return torch.from_numpy(np.array(square)).permute(2, 0, 1)
    except Exception as error:  # a decoder fed with damaged bytes can fail in any way
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot read the image {path}: {reason}", code="data.image", path=path) from None
