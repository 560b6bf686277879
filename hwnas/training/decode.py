"""Files of images of any kind as upright RGB pictures of 8 bits, and those as squares for a network."""

import io
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..install import require

if TYPE_CHECKING:
    from PIL import Image

Given = Path | str | bytes
"""A file, or what is in it."""

FITTING = (
    "upright as its EXIF orientation says; transparency on white; grey of 16 bits by 65535 (4095 where no value is "
    "above), of floats by 1; shorter side to the size (bilinear, antialiased), then centre crop"
)
REDUCED = "shorter side to the size (bilinear), then centre crop"
"""As earlier versions did, which read JPEGs at a fraction of their size, and no orientation."""

BITS_12, BITS_16 = 2**12 - 1, 2**16 - 1


def read_square(given: Given, resolution: int) -> "Image.Image":
    """The image `given`, upright, RGB, `resolution` pixels a side, as `FITTING` says.

    It is what training validates on and what a deployment is to do, so it is never decoded at a reduced size.
    """
    return _square(read_upright(given), resolution)


def read_upright(given: Given, least: int | None = None) -> "Image.Image":
    """The image `given`, upright and RGB; of several frames or pages the first.

    With `least`, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, as long as no side gets shorter than `least`.
    Raises whatever a decoder raises that is fed with damaged bytes, and `ValueError` for levels of no known range.
    """
    from PIL import ImageOps

    with _open(given) as image:
        if least is not None:
            image.draft("RGB", (least, least))
        image.load()
        turned = image
        with suppress(Exception):  # a damaged EXIF block is no damaged image: it is as it is
            turned = ImageOps.exif_transpose(image)
        return _to_rgb(turned)


def read_square_reduced(given: Given, resolution: int) -> "Image.Image":
    """The image `given` as `REDUCED` says: for bundles of earlier versions, which claim an accuracy on such images."""
    with _open(given) as image:
        image.draft("RGB", (resolution, resolution))
        return _square(image.convert("RGB"), resolution)


READINGS: dict[str, Callable[[Given, int], "Image.Image"]] = {FITTING: read_square, REDUCED: read_square_reduced}
"""How an image becomes a square of so many pixels, by what a record says of it."""


def to_tensor(image: "Image.Image") -> torch.Tensor:
    """An RGB picture as uint8 (3, H, W)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _open(given: Given) -> "Image.Image":
    image: Image.Image = prepared_pillow().open(io.BytesIO(given) if isinstance(given, bytes) else given)
    return image


@cache
def prepared_pillow() -> ModuleType:
    """Pillow's module `Image`; it reads HEIC too, where `pillow_heif` is installed."""
    module = require("PIL.Image")
    require("PIL.ImageOps")  # before threads, of which only one can import it
    if find_spec("pillow_heif"):
        require("pillow_heif").register_heif_opener()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd metadata, without the name of the file
    return module


def _square(image: "Image.Image", resolution: int) -> "Image.Image":
    from PIL import Image, ImageOps

    return ImageOps.fit(image, (resolution, resolution), Image.Resampling.BILINEAR)


def _to_rgb(image: "Image.Image") -> "Image.Image":
    """`image` as RGB of 8 bits: levels by their range, transparency on white."""
    from PIL import Image

    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_8_bits(image)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    if layered.getchannel("A").getextrema() == (255, 255):
        return layered.convert("RGB")
    # white: what a drawing, a sign or a cut-out is made to be seen on; under the transparent may be any colour
    return Image.alpha_composite(Image.new("RGBA", layered.size, (255, 255, 255, 255)), layered).convert("RGB")


def _to_8_bits(image: "Image.Image") -> np.ndarray:
    """Grey `image` of integers over 8 bits or of floats as uint8 (H, W). Raises `ValueError` for an unknown range."""
    levels = np.asarray(image).astype(np.float64)
    low, high = float(levels.min()), float(levels.max())
    if not (low >= 0 and high <= BITS_16):  # false for what is no number, too
        raise ValueError(f"grey levels from {low:g} to {high:g}, of which the range is not known")
    if image.mode == "F":
        top = 1.0 if high <= 1 else 255.0 if high <= 255 else float(BITS_16)
    elif image.mode == "I" and high <= 255:
        top = 255.0  # 32 bits that hold 8
    else:
        top = float(BITS_12 if high <= BITS_12 else BITS_16)  # no file says that its 16 bits hold 12
    return np.rint(levels * (255 / top)).astype(np.uint8)
