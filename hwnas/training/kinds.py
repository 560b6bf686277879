"""Which files are images, which cannot be read here, and which a desktop or a program left behind."""

from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from .decode import prepared_pillow

LITTER = ("thumbs.db", "ehthumbs*.db", "desktop.ini", "icon\r")
"""Files that desktops leave; those that begin with a dot, as the companions ._NAME of macOS, are left out anyway."""
LITTER_FOLDERS = ("__macosx", "@eadir", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin",
                  "system volume information", "lost+found", "__pycache__")  # fmt: skip
"""Folders that unpackers, network storages and systems leave."""

UNREADABLE = {
    ".heic": "pip install pillow-heif", ".heif": "pip install pillow-heif", ".hif": "pip install pillow-heif",
    ".avif": "use a Pillow of 11.3 or later",
    **dict.fromkeys((".jxl", ".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".raw"),
                    "convert them to PNG or JPEG"),
}  # fmt: skip
"""Images that Pillow may not read, and what helps."""

PLAIN = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What earlier versions, and torchvision, take for images."""
NO_PICTURES = ("BUFR", "EPS", "FITS", "GRIB", "HDF5", "MPEG", "PDF", "WMF", "XVTHUMB", "ICNS", "CUR", "FLI")
"""Formats of Pillow that are documents, films, icons or measurements, or take a program of their own to read."""


def is_litter(name: str) -> bool:
    """Whether a file of this name is none of the user's."""
    return name.startswith(".") or any(fnmatchcase(name.lower(), pattern) for pattern in LITTER)


def is_litter_folder(name: str) -> bool:
    """Whether a folder of this name is none of the user's."""
    return name.startswith(".") or name.lower() in LITTER_FOLDERS


@cache
def readable_suffixes() -> frozenset[str]:
    """Endings of names, in small letters, of images that can be read here."""
    pillow = prepared_pillow()
    pillow.init()
    found = {end for end, kind in pillow.registered_extensions().items() if kind in pillow.OPEN}
    return frozenset({*PLAIN, *found}) - {end for end in found if pillow.registered_extensions()[end] in NO_PICTURES}


def is_image(path: str) -> bool:
    """Whether the file is meant to be an image: by its ending, or where that says nothing by how it begins."""
    end = Path(path).suffix.lower()
    if end in UNREADABLE or end in readable_suffixes():
        return True
    if end in (".txt", ".csv", ".json", ".jsonl", ".xml", ".md", ".html", ".py", ".zip", ".gz", ".mp4", ".mov"):
        return False
    pillow = prepared_pillow()
    with suppress(Exception), pillow.open(path) as image:
        return image.format not in NO_PICTURES
    return False


def advice(name: str) -> str:
    """What helps where an image of this name cannot be read, if anything is known."""
    return UNREADABLE.get(Path(name).suffix.lower(), "")
