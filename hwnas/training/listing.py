"""Which images of which class are in a folder or a list of labels: names alone, nothing is decoded."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from .decode import Given
from .kinds import is_image, is_litter, is_litter_folder

SPLITS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation", "dev"),
}
"""Names of folders, in any case, that are splits and no classes."""

Sample = tuple[str, int]
"""The path of an image under the folder, with "/", and its class."""


@dataclass
class Listing:
    """What is in `folder`: the names of the classes, and the samples of each split, "train", "test" and "val", in
    alphabetical order; without folders or a list that say more, all are in "all".

    `layout` says in words where the classes come from; `ignored` has what was left out, with the reason.
    """

    folder: Path
    labels: tuple[str, ...]
    splits: dict[str, list[Sample]]
    layout: str
    ignored: list[tuple[str, str]] = field(default_factory=list)

    def locate(self, name: str) -> Given:
        """The file of the image `name`."""
        return os.path.join(self.folder, name)

    @property
    def samples(self) -> list[Sample]:
        """Those of all splits."""
        return [sample for samples in self.splits.values() for sample in samples]


def split_of(name: str) -> str | None:
    """The split that a folder of this name is of, if any."""
    return next((split for split, names in SPLITS.items() if name.lower() in names), None)


def list_folder(folder: Path) -> Listing:
    """The images under `folder`: in `train/` and `test/` (or `val/`, or both) with one folder per class in each, in one
    folder per class with such folders in each, or simply in one folder per class.

    Classes may hold folders. A link to a folder that is here already is not followed. Raises `InputError` for fewer
    than two classes ("data.one-class", "data.no-folders"), an empty class ("data.empty-class"), and splits that do not
    belong together ("data.no-test-split", "data.no-train-split", "data.other-classes", "data.no-classes").
    """
    found = _Walk(folder)
    top = found.folders
    given = {split: name for name in top if (split := split_of(name)) and found.holds_folders(name)}
    if "train" in given:
        listing = _list_splits(found, {split: given[split] for split in SPLITS if split in given})
    elif len(top) > 1 and all(map(split_of, top)):
        raise _no_classes(folder, top, has_folders=bool(given))
    elif len(top) > 1 and all(found.has_splits(name) for name in top):
        listing = _list_inner_splits(found)
    else:
        listing = Listing(folder, tuple(top), {"all": _classes_in(found, "", top)}, "one folder per class")
    _ignore_rest(found, listing)
    return checked(listing)


class _Walk:
    """The image files under a folder by the parts of their path, each once, and what else there is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ignored = folder, list[tuple[str, str]]()
        self.files: list[tuple[str, ...]] = []
        self.directories: set[tuple[str, ...]] = set()
        self._seen: set[tuple[int, int]] = set()
        self._links: list[tuple[str, ...]] = []
        self._visit(())
        while self._links:  # after all real folders: of a folder and a link to it, the folder counts
            link = self._links.pop(0)
            if not self._visit(link):
                self.ignored.append(("/".join(link), "a link to a folder that is here already"))

    def _visit(self, inside: tuple[str, ...]) -> bool:
        """Take in the folder `inside`, unless it was taken in before."""
        path = os.path.join(self.folder, *inside)
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in self._seen:
            return False
        self._seen.add((status.st_dev, status.st_ino))
        if inside:
            self.directories.add(inside)
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                self._take(entry, (*inside, entry.name))
        return True

    def _take(self, entry: "os.DirEntry[str]", parts: tuple[str, ...]) -> None:
        name = "/".join(parts)
        if entry.is_dir():
            if is_litter_folder(entry.name):
                self.ignored.append((name + "/", "a hidden folder, or a program's own"))
            elif entry.is_symlink():
                self._links.append(parts)
            else:
                self._visit(parts)
        elif is_litter(entry.name):
            self.ignored.append((name, "a hidden file, or a program's own"))
        elif is_image(entry.path):
            self.files.append(parts)
        else:
            self.ignored.append((name, "no image"))

    @property
    def folders(self) -> list[str]:
        """The names of the folders at the top."""
        return sorted(parts[0] for parts in self.directories if len(parts) == 1)

    def inner(self, *inside: str) -> list[str]:
        """The names of the folders in the folder `inside`."""
        depth = len(inside)
        return sorted(p[-1] for p in self.directories if len(p) == depth + 1 and p[:depth] == inside)

    def holds_folders(self, name: str) -> bool:
        """Whether the folder `name` at the top holds folders."""
        return bool(self.inner(name))

    def has_splits(self, name: str) -> bool:
        """Whether the folder `name` at the top is divided itself: into train and another one."""
        splits = [split_of(one) for one in self.inner(name)]
        return len(splits) > 1 and "train" in splits and None not in splits

    def under(self, *inside: str) -> Iterator[str]:
        """The paths of the images in the folder `inside` and in those that it holds."""
        depth = len(inside)
        return iter(sorted("/".join(parts) for parts in self.files if parts[:depth] == inside))


def _classes_in(found: _Walk, split: str, labels: list[str]) -> list[Sample]:
    """The samples of the folder `split`, or of the top, with one folder per class."""
    numbers = {label: number for number, label in enumerate(labels)}
    place = 1 if split else 0
    inside = (split,) if split else ()
    chosen = [parts for parts in found.files if len(parts) > place + 1 and parts[:place] == inside]
    chosen.sort(key=lambda parts: (parts[place], "/".join(parts[:-1]), parts[-1]))  # the order of torchvision's
    return [("/".join(parts), numbers[parts[place]]) for parts in chosen]


def _list_splits(found: _Walk, given: dict[str, str]) -> Listing:
    """Of the folders of splits, by the split, with one folder per class in each."""
    if len(given) == 1:
        raise InputError(
            f"{found.folder} has a folder {given['train']} but neither test nor val with class folders: add one",
            code="data.no-test-split",
            folder=found.folder,
        )
    labels = found.inner(given["train"])
    for name in list(given.values())[1:]:
        odd = sorted(set(labels) ^ set(found.inner(name)))
        if odd:
            raise InputError(
                f"{found.folder}: {given['train']} and {name} differ in classes: {', '.join(odd)}",
                code="data.other-classes",
                labels=tuple(odd),
            )
    splits = {split: _classes_in(found, name, labels) for split, name in given.items()}
    layout = f"{', '.join(f'{name}/' for name in given.values())} with one folder per class in each"
    return Listing(found.folder, tuple(labels), splits, layout)


def _list_inner_splits(found: _Walk) -> Listing:
    """Of classes that are each divided into folders of splits."""
    splits: dict[str, list[Sample]] = {}
    for number, label in enumerate(found.folders):
        for name in found.inner(label):
            split = split_of(name)
            assert split is not None, "has_splits saw to that"
            splits.setdefault(split, []).extend((path, number) for path in found.under(label, name))
    return Listing(found.folder, tuple(found.folders), splits, "one folder per class, divided into train and others")


def _ignore_rest(found: _Walk, listing: Listing) -> None:
    """Note what is in no class."""
    used = {path for path, _ in listing.samples}
    rest = (path for parts in found.files if (path := "/".join(parts)) not in used)
    listing.ignored = [*found.ignored, *((path, "an image in no class") for path in rest)]


def _no_classes(folder: Path, names: list[str], *, has_folders: bool) -> InputError:
    if has_folders:
        return InputError(f"{folder} has {' and '.join(names)}, but no train with one folder per class: add it",
                          code="data.no-train-split", folder=folder)  # fmt: skip
    return InputError(
        f"{folder}: {' and '.join(names)} are splits, and hold no folders of classes: put one folder per class into "
        "each, or give a CSV file with columns path,label,split",
        code="data.no-classes", folder=folder,
    )  # fmt: skip


def checked(listing: Listing) -> Listing:
    """`listing`, of two classes at least, each of which has images in every split."""
    if not listing.labels:
        raise InputError(f"{listing.folder} has no folders: it needs one folder of images per class",
                         code="data.no-folders", folder=listing.folder)  # fmt: skip
    if len(listing.labels) < 2:
        raise InputError(f"{listing.folder} has only one class, {listing.labels[0]}: a classifier needs at least two",
                         code="data.one-class", label=listing.labels[0])  # fmt: skip
    for split, samples in listing.splits.items():
        empty = sorted(set(range(len(listing.labels))) - {label for _, label in samples})
        if empty:
            where = "" if split == "all" else f" in {split}"
            name = listing.labels[empty[0]]
            raise InputError(f"{listing.folder}: class {name} holds no image{where}", code="data.empty-class",
                             label=name)  # fmt: skip
    return listing
