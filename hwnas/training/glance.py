"""Whether the file of an image seems whole: by its beginning and its end, a hundred times faster than decoding it."""

import os
from pathlib import Path
from typing import IO

from .decode import prepared_pillow

END = 4096
"""Bytes at the end of a JPEG in which its end marker is sought: some programs write something after it."""


def glance(path: Path) -> int:
    """The size of the file in bytes. Raises what Pillow raises for what is no image, and `OSError` for a JPEG, PNG, GIF
    or WebP that is cut off."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        require_whole(file, size)
    return size


def require_whole(file: IO[bytes], size: int) -> None:
    """Raise as `glance` does, for an open `file` of `size` bytes."""
    with prepared_pillow().open(file) as image:
        kind = image.format
        file.seek(0)
        start = file.read(12)
        file.seek(max(0, size - END))
        if not _has_end(kind, start, file.read(), size):
            raise OSError(f"the file is cut off after {size} bytes")


def _has_end(kind: str | None, start: bytes, end: bytes, size: int) -> bool:
    """Whether a file that begins and ends so has its end; true of kinds that do not say where that is."""
    if kind in ("JPEG", "MPO"):
        return b"\xff\xd9" in end
    if kind == "PNG":
        return b"IEND" in end
    if kind == "GIF":
        return b";" in end[-16:]
    return kind != "WEBP" or int.from_bytes(start[4:8], "little") + 8 <= size
