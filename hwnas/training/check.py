"""What is in a folder of images, a list or shards, and what is wrong with it: every image is looked at."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..progress import Progress
from .decode import BITS_12, Given, prepared_pillow, read_upright
from .duplicates import HEIGHT, WIDTH, alike, groups
from .folder import Bad, divide, run_over
from .listing import Listing, Sample
from .shards import list_data

if TYPE_CHECKING:
    from PIL import Image

ORIENTATION = 0x112


@dataclass(frozen=True)
class Look:
    """What one image is: format and mode, size in pixels and bytes as stored, what is odd, and how it looks."""

    kind: str
    width: int
    height: int
    file_bytes: int
    oddities: tuple[str, ...]
    digest: bytes
    small: np.ndarray


@dataclass(frozen=True)
class ClassCount:
    """A class and its images in each split."""

    name: str
    images: dict[str, int]


@dataclass(frozen=True)
class DataCheck:
    """What `check` found; names of images are as in the folder.

    `layout` says where the classes come from. `kinds` and `oddities` count images; `sizes` are the smallest, the median
    and the largest width and height in pixels. `unreadable` and `ignored` have the reason of each name. `duplicates`
    are groups of equal files, `alike` pairs of a test (or validation) image and a training one that looks the same.
    `problems` are what should be mended, one line each.
    """

    path: Path
    layout: str
    classes: tuple[ClassCount, ...]
    images: dict[str, int]
    bytes: int
    kinds: dict[str, int]
    oddities: dict[str, int]
    sizes: tuple[tuple[int, int], ...]
    unreadable: dict[str, str]
    ignored: dict[str, str]
    duplicates: tuple[tuple[str, ...], ...]
    alike: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


def check(path: Path, max_bad: float = 0.01, progress: Progress = True) -> DataCheck:
    """Look at every image of `path`. Raises `InputError` where it has no classes, see `list_folder`."""
    listing = list_data(path)
    splits = divide(listing)
    samples = [sample for part in splits.values() for sample in part]
    prepared_pillow()
    found, bad = run_over(samples, lambda name: look(listing.locate(name)), "images", progress)
    looks = {name: seen for (name, _), seen in zip(samples, found, strict=True) if seen is not None}
    duplicates = [tuple(names) for names in _duplicates(looks)]
    pairs = _alike(splits, looks)
    return DataCheck(
        path=path,
        layout=listing.layout + ("; a fixed fifth of each class is the test split" if "all" in listing.splits else ""),
        classes=tuple(_class_counts(listing, splits)),
        images={split: len(part) for split, part in splits.items()},
        bytes=sum(seen.file_bytes for seen in looks.values()),
        kinds=dict(Counter(seen.kind for seen in looks.values()).most_common()),
        oddities=dict(Counter(odd for seen in looks.values() for odd in seen.oddities).most_common()),
        sizes=_sizes(looks.values()),
        unreadable=bad,
        ignored=dict(listing.ignored),
        duplicates=tuple(duplicates),
        alike=tuple(pairs),
        problems=tuple(_problems(listing, splits, bad, max_bad, duplicates, pairs)),
    )


def look(given: Given) -> Look:
    """Decode an image, JPEGs at a fraction of their size, and say what it is. Raises as `read_upright`."""
    content = given if isinstance(given, bytes) else Path(given).read_bytes()
    with prepared_pillow().open(io.BytesIO(content)) as image:
        kind, (width, height) = f"{image.format} {image.mode}", image.size
        oddities = tuple(_oddities(image))
    small = read_upright(content, least=64).resize((WIDTH, HEIGHT))
    return Look(kind, width, height, len(content), oddities, hashlib.sha256(content).digest(), np.asarray(small))


def _oddities(image: "Image.Image") -> Iterable[str]:
    """What makes an image more than rows of RGB."""
    if getattr(image, "n_frames", 1) > 1:
        yield "several frames or pages, of which the first counts"
    try:
        if image.getexif().get(ORIENTATION, 1) not in (0, 1):
            yield "turned upright as its EXIF orientation says"
    except Exception:  # damaged metadata, of which decoding takes no notice either
        yield "damaged EXIF block, not used"
    if image.has_transparency_data:
        yield "transparent, on white"
    if image.mode.startswith("I"):
        yield "grey of 12 bits" if np.asarray(image).max() <= BITS_12 else "grey of 16 bits"
    if image.mode == "F":
        yield "grey of floats"
    if min(image.size) < 8:
        yield "under 8 pixels wide or high"
    if max(image.size) > 4 * min(image.size):
        yield "over 4 times as long as wide, of which the middle is used"


def _sizes(looks: Iterable[Look]) -> tuple[tuple[int, int], ...]:
    """The smallest, the median and the largest, by their number of pixels."""
    ordered = sorted(((seen.width, seen.height) for seen in looks), key=lambda size: size[0] * size[1])
    return (ordered[0], ordered[len(ordered) // 2], ordered[-1]) if ordered else ()


def _class_counts(listing: Listing, splits: dict[str, list[Sample]]) -> Iterable[ClassCount]:
    counts = {split: Counter(label for _, label in part) for split, part in splits.items()}
    for number, name in enumerate(listing.labels):
        yield ClassCount(name, {split: found[number] for split, found in counts.items()})


def _duplicates(looks: dict[str, Look]) -> Iterable[list[str]]:
    names = list(looks)
    for places in groups([looks[name].digest for name in names]):
        yield [names[place] for place in places]


def _alike(splits: dict[str, list[Sample]], looks: dict[str, Look]) -> list[tuple[str, str]]:
    """Pairs of an image of another split and one of the training split that look the same."""
    train, others = (
        [name for split, part in splits.items() if (split == "train") == wanted for name, _ in part if name in looks]
        for wanted in (True, False)
    )
    if not train or not others:
        return []
    first, second = (np.stack([looks[name].small for name in names]) for names in (others, train))
    return [(others[one], train[other]) for one, other in alike(first, second)]


def _problems(
    listing: Listing, splits: dict[str, list[Sample]], bad: Bad, max_bad: float,
    duplicates: list[tuple[str, ...]], pairs: list[tuple[str, str]],
) -> Iterable[str]:  # fmt: skip
    """What should be mended, in a line each."""
    samples = [sample for part in splits.values() for sample in part]
    label_of = {name: listing.labels[label] for name, label in samples}
    if len(bad) > max_bad * len(samples):
        yield f"{len(bad)} of {len(samples)} images cannot be read: training stops unless --max-bad allows it"
    two = [names for names in duplicates if len({label_of[name] for name in names}) > 1]
    if two:
        yield f"{len(two)} images are in two classes at once, as {' and '.join(two[0][:2])}"
    if pairs:
        yield (f"{len(pairs)} images look like one that is trained on, as {pairs[0][0]} like {pairs[0][1]}: "
               "the accuracy on them says little")  # fmt: skip
    counts = Counter(label for _, label in splits["train"])
    few = [listing.labels[label] for label, count in sorted(counts.items()) if count < 2]
    if few:
        yield f"only one training image, and so none to validate on: class {', '.join(few[:5])}"
    loose = [name for name, reason in listing.ignored if reason == "an image in no class"]
    if loose:
        yield f"{len(loose)} images are in no class, as {loose[0]}"
