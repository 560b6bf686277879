"""Images of a folder or of a list of labels: small sets decoded once into memory, large ones as they are needed."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from ..errors import InputError
from ..files import write_text
from ..progress import Progress, show_progress
from .decode import FITTING, READINGS, prepared_pillow, to_tensor
from .glance import glance
from .kinds import advice
from .label_list import SUFFIXES, list_labelled
from .listing import Listing, Sample, list_folder
from .reading import Reading
from .sources import Source
from .splits import Images, Split, stratified
from .streamed import ImageFiles, Names, StreamedSplit

TEST_SHARE = 0.2
SPLIT_SEED = 0
NAMED = 3
"""Images that a line names."""

PENDING = 4096
"""Images that wait for a thread at once."""

T = TypeVar("T")
Bad = dict[str, str]
"""Why an image cannot be read, by its path."""


def read_images(
    path: Path, resolution: int, reading: Reading, progress: Progress = True, fitting: str = FITTING
) -> Source:
    """The images of a folder (see `list_folder`) or a list (see `list_labelled`), made squares as `fitting` says.

    Without a test split in it, a fixed fifth of each class is one; where there is only val beside train, that is the
    test split. They are in memory where `reading` lets them, else they stream. An image that cannot be read is left
    out, up to a share. Raises `InputError` as the functions that list, for a class that cannot be split
    ("data.class-too-small") and too many unreadable images ("data.bad-images").
    """
    listing = list_images(path)
    splits = divide(listing)
    found, bad = _read(listing, splits, resolution, reading, progress, fitting)
    require_few_bad(listing.folder, bad, sum(map(len, splits.values())), reading.max_bad)
    if bad and "all" in listing.splits:  # divide what is left, so that each class has its share
        kept = [sample for sample in listing.splits["all"] if sample[0] not in bad]
        splits = divide(replace(listing, splits={"all": kept}))
        found, _ = _read(listing, splits, resolution, reading, progress, fitting)
    _require_classes(listing, found, bad)
    notes = tuple(_notes(listing, bad))
    name = (path if path.is_file() else listing.folder).resolve().name
    return Source(name, listing.labels, found["train"], found["test"], True, fitting, found.get("val"), notes)


def read_one_split(
    path: Path,
    labels: tuple[str, ...],
    resolution: int,
    reading: Reading,
    progress: Progress = True,
    fitting: str = FITTING,
) -> Images:
    """All images of a folder or a list, whatever splits it has, whose classes are among `labels`. Raises `InputError`
    for others ("data.other-classes"), and as `read_images`."""
    listing = list_images(path)
    require_known_classes(path, listing, labels)
    samples = [(name, labels.index(listing.labels[label])) for name, label in listing.samples]
    found, bad = _read(listing, {"val": samples}, resolution, reading, progress, fitting)
    require_few_bad(listing.folder, bad, len(samples), reading.max_bad)
    return found["val"]


def require_known_classes(path: Path, listing: Listing, labels: tuple[str, ...]) -> None:
    """Raise `InputError` where `path` has classes that are not among `labels`."""
    odd = sorted(set(listing.labels) - set(labels))
    if odd:
        raise InputError(f"{path} has classes that the training images have not: {', '.join(odd)}",
                         code="data.other-classes", labels=tuple(odd))  # fmt: skip


def list_images(path: Path) -> Listing:
    """What is in a folder of images, or in a list of them. Raises as `list_folder` and `list_labelled`."""
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        return list_labelled(path)
    if not path.is_dir():
        raise InputError(f"{path} is no folder of images", code="data.unknown", name=str(path))
    return list_folder(path)


def _read(
    listing: Listing, splits: dict[str, list[Sample]], resolution: int, reading: Reading, progress: Progress,
    fitting: str,
) -> tuple[dict[str, Images], Bad]:  # fmt: skip
    """Every split, in memory or streamed, and what cannot be read."""
    prepared_pillow()
    if reading.streams(sum(map(len, splits.values())), resolution):
        return _stream(listing, splits, resolution, reading, progress, fitting)
    return _decode_all(listing, splits, resolution, progress, fitting)


def divide(listing: Listing) -> dict[str, list[Sample]]:
    """The samples of the training and the test split, and of a validation split where there are three."""
    splits = dict(listing.splits)
    if "all" in splits:
        samples = splits["all"]
        targets = np.array([label for _, label in samples])
        for label, count in Counter(targets.tolist()).items():
            if count < 2:
                raise InputError(
                    f"{listing.folder}: class {listing.labels[label]} has one image, and training and testing need one "
                    "each: add another",
                    code="data.class-too-small",
                    label=listing.labels[label],
                )
        train, test = stratified(targets, TEST_SHARE, SPLIT_SEED)
        return {"train": [samples[i] for i in train], "test": [samples[i] for i in test]}
    if "test" not in splits:
        splits["test"] = splits.pop("val")
    return splits


def _stream(
    listing: Listing, splits: dict[str, list[Sample]], resolution: int, reading: Reading, progress: Progress,
    fitting: str,
) -> tuple[dict[str, Images], Bad]:  # fmt: skip
    """The splits of files that seem whole, each of which was looked at, but not decoded."""
    samples = [sample for part in splits.values() for sample in part]
    folder = listing.folder
    sizes, bad = run_over(samples, lambda name: glance(folder / name), "files", progress)
    allowed = int(reading.max_bad * len(samples))
    store = ImageFiles(folder.resolve(), Names.of(name for name, _ in samples), np.array([s or 0 for s in sizes]))
    found: dict[str, Images] = {}
    start = 0
    for split, part in splits.items():
        places = np.array([start + i for i, (name, _) in enumerate(part) if name not in bad], np.int64)
        labels = torch.tensor([label for name, label in part if name not in bad], dtype=torch.int64)
        found[split] = StreamedSplit(store, places, labels, resolution, fitting, allowed)
        start += len(part)
    return found, bad


def _decode_all(
    listing: Listing, splits: dict[str, list[Sample]], resolution: int, progress: Progress, fitting: str
) -> tuple[dict[str, Images], Bad]:
    """The splits as tensors, without what cannot be decoded."""
    read, folder = READINGS[fitting], listing.folder
    found: dict[str, Images] = {}
    bad: Bad = {}
    for split, samples in splits.items():
        images = torch.empty(len(samples), 3, resolution, resolution, dtype=torch.uint8)
        rows = {name: row for row, (name, _) in enumerate(samples)}

        def decode(name: str, images: torch.Tensor = images, rows: dict[str, int] = rows) -> None:
            images[rows[name]] = to_tensor(read(folder / name, resolution))

        _, failed = run_over(samples, decode, "images", progress)
        labels = torch.tensor([label for _, label in samples])
        if failed:
            kept = torch.tensor([row for name, row in rows.items() if name not in failed], dtype=torch.int64)
            images, labels = images[kept], labels[kept]
        found[split] = Split(images, labels)
        bad |= failed
    return found, bad


def run_over(
    samples: Sequence[Sample], work: Callable[[str], T], stage: str, progress: Progress
) -> tuple[list[T | None], Bad]:
    """`work` on the path of every sample, by one thread per processor: what it gives, None where it raises; and why."""

    def attempt(sample: Sample) -> T | Exception:
        try:
            return work(sample[0])
        except Exception as error:  # a decoder fed with damaged bytes can fail in any way
            return error

    results: list[T | None] = []
    bad: Bad = {}
    with show_progress(stage, len(samples), progress) as report, ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(samples), PENDING):
            part = samples[start : start + PENDING]
            for (name, _), found in zip(part, pool.map(attempt, part), strict=True):
                if isinstance(found, Exception):
                    bad[name] = _reason(name, found)
                results.append(None if isinstance(found, Exception) else found)
                report(len(results), "")
    return results, bad


def _reason(name: str, error: Exception) -> str:
    """Why the image cannot be read, and what helps if that is known, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = "unknown kind of image" if "cannot identify image" in str(error) else str(error) or type(error).__name__
    helps = advice(name)
    return text.splitlines()[0] + (f" ({helps})" if helps else "")


def require_few_bad(folder: Path, bad: Bad, count: int, allowed: float) -> None:
    """Raise `InputError` where more than the share `allowed` of `count` images cannot be read; a file lists them."""
    if len(bad) <= allowed * count:
        return
    path = Path(tempfile.gettempdir()) / f"hwnas-bad-images-{folder.resolve().name}.txt"
    write_text(path, "".join(f"{name}\t{reason}\n" for name, reason in sorted(bad.items())))
    first = min(bad)
    raise InputError(
        f"{folder}: {len(bad)} of {count} images cannot be read, more than the {100 * allowed:g}% that may be "
        f"skipped (--max-bad): {first}: {bad[first]}; {path} lists them",
        code="data.bad-images", path=first, count=len(bad), images=count, list=path,
    )  # fmt: skip


def _require_classes(listing: Listing, found: dict[str, Images], bad: Bad) -> None:
    """Raise `InputError` where of a class no image was left."""
    for split, images in found.items():
        empty = np.flatnonzero(np.bincount(images.labels.numpy(), minlength=len(listing.labels)) == 0)
        if len(empty):
            name = listing.labels[empty[0]]
            raise InputError(f"{listing.folder}: no image of class {name} in {split} can be read, as {min(bad)}",
                             code="data.empty-class", label=name)  # fmt: skip


def _notes(listing: Listing, bad: Bad) -> list[str]:
    """A line on what was skipped, and one on what was ignored, each where there is any."""
    notes = []
    if bad:
        named = "; ".join(f"{name}: {bad[name]}" for name in sorted(bad)[:NAMED])
        notes.append(f"{len(bad)} images cannot be read and were skipped: {named}{'; ...' * (len(bad) > NAMED)}")
    pictures = [name for name, reason in listing.ignored if reason == "an image in no class"]
    if pictures:
        notes.append(f"{len(pictures)} images are in no class, as {pictures[0]}")
    others = len(listing.ignored) - len(pictures)
    if others:
        name, reason = next(one for one in listing.ignored if one[1] != "an image in no class")
        notes.append(f"{others} other files and folders were ignored, as {name}: {reason}")
    return notes
