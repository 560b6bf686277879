"""A contact sheet: some images of each class as a network gets them, in one picture."""

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import replacing
from .decode import prepared_pillow, read_square
from .listing import Listing
from .shards import list_data

SIZE, MARGIN, TEXT = 96, 4, 16
"""Pixels of an image a side, between images, and of the line above those of a class."""
CLASSES, IMAGES = 50, 8
"""Classes and images of each, at most."""
SEED = 0


def write_sheet(data: Path, out: Path) -> tuple[int, int]:
    """Write a PNG (or what the ending of `out` says) of up to `IMAGES` of each of the first `CLASSES` classes of
    `data`; the number of classes and of images in it. Raises `InputError` for an ending of no image ("data.sheet")."""
    pillow = prepared_pillow()
    pillow.init()
    if out.suffix.lower() not in pillow.registered_extensions():
        raise InputError(f"a contact sheet is a picture: name it {out.stem}.png, not {out.name}", code="data.sheet",
                         path=out)  # fmt: skip
    listing = list_data(data)
    rows = _chosen(listing)
    sheet = pillow.new("RGB", (MARGIN + IMAGES * (SIZE + MARGIN), len(rows) * (TEXT + SIZE + MARGIN)), "white")
    from PIL import ImageDraw

    draw, count = ImageDraw.Draw(sheet), 0
    for row, names in enumerate(rows):
        top = row * (TEXT + SIZE + MARGIN)
        draw.text((MARGIN, top + 2), listing.labels[row], fill="black")
        column = 0
        for name in names:
            if column == IMAGES:
                break
            try:
                square = read_square(listing.locate(name), SIZE)
            except Exception:  # `check` tells which cannot be read
                continue
            sheet.paste(square, (MARGIN + column * (SIZE + MARGIN), top + TEXT))
            column, count = column + 1, count + 1
    with replacing(out) as temporary:
        sheet.save(temporary, pillow.registered_extensions()[out.suffix.lower()])
    return len(rows), count


def _chosen(listing: Listing) -> list[list[str]]:
    """Of each class some names in random order, twice as many as are shown: some may be unreadable."""
    names: list[list[str]] = [[] for _ in listing.labels]
    for name, label in listing.samples:
        names[label].append(name)
    rng = np.random.default_rng(SEED)
    return [[of[place] for place in rng.permutation(len(of))[: 2 * IMAGES]] for of in names[:CLASSES]]
