"""How the files of a data set are read: what is told apart from which data set it is."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from ..config import Config
from .memory import fits_memory

UNITS = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}


def read_share(value: object) -> object:
    """A share written 1% as a number; anything else as it is."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip()[:-1]) / 100
        except ValueError:
            return value
    return value


def read_size(value: object) -> object:
    """Bytes written 4GiB, 500MB as a number; anything else as it is."""
    if isinstance(value, str):
        text = value.strip().lower()
        for unit, factor in UNITS.items():
            if text.endswith(unit):
                try:
                    return int(float(text.removesuffix(unit)) * factor)
                except ValueError:
                    return value
    return value


def read_validation(value: object) -> object:
    """A share where `value` is a number, else the path of a folder."""
    value = read_share(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return Path(value)
    return value


_Path = Annotated[Path, PlainSerializer(str)]
ShareOrPath = Annotated[Annotated[float, Field(ge=0, lt=1)] | _Path, BeforeValidator(read_validation)]
"""What everything is chosen on: a share of each class of the training images, or the path of others."""


class Reading(Config):
    """How the images of folders, lists and shards are read."""

    max_bad: Annotated[float, BeforeValidator(read_share), Field(ge=0, le=1)] = Field(
        default=0.01, description="Share of the images that may be unreadable, and are skipped then."
    )
    memory: Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(read_size)] = Field(
        default=None, description="Bytes that images in memory may take; more are decoded as they are needed."
    )
    stream: bool | None = Field(default=None, description="Decode images as they are needed, however few there are.")
    statistics: Literal["data", "imagenet"] = Field(
        default="data", description="Mean and deviation: of the training images, or those of ImageNet."
    )

    def streams(self, count: int, resolution: int) -> bool:
        """Whether so many images are decoded as they are needed: as is said, or where they do not fit into memory."""
        return not fits_memory(count, resolution, self.memory) if self.stream is None else self.stream
