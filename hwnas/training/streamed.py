"""Labelled images that are decoded when they are asked for: a split takes some bytes an image, however many."""

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import torch

from ..errors import InputError
from .decode import FITTING, READINGS, Given, read_upright, to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

logger = logging.getLogger(__name__)
T = TypeVar("T")

HASHED = 256
"""Files, spread over a split, whose bytes are in its fingerprint; of the others only name, size and label."""
TRIES = 20
"""Images of a class that are tried, one after another, where one cannot be read."""

_unreadable: set[str] = set()
"""Images of this process that turned out to be unreadable when they were needed."""


@dataclass(frozen=True, eq=False)
class Names:
    """A list of many strings as two blocks of memory, which processes can share; a Python list takes thrice as much."""

    text: bytes
    ends: np.ndarray

    @staticmethod
    def of(names: Iterable[str]) -> "Names":
        """Pack `names`, which may be any that a file system gives."""
        encoded = [os.fsencode(name) for name in names]
        return Names(b"".join(encoded), np.cumsum([len(name) for name in encoded], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        return os.fsdecode(self.text[self.ends[index - 1] if index else 0 : self.ends[index]])


class Store(Protocol):
    """Where the files of images are, by their place in it."""

    @property
    def names(self) -> Names:
        """As in the folder that they were in: "train/cat/1.jpg"."""
        ...

    @property
    def sizes(self) -> np.ndarray:
        """Bytes of each file, int64."""
        ...

    def locate(self, place: int) -> Given:
        """The file at `place`, or what is in it."""
        ...


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Files under a folder."""

    root: Path
    names: Names
    sizes: np.ndarray

    def locate(self, place: int) -> Given:
        """The path of a file."""
        return os.path.join(self.root, self.names[place])


@dataclass(frozen=True, eq=False)
class StreamedSplit:
    """The images at `places` of a `store`, with their classes `labels`, int64 (N,); squares are made as `fitting` says.

    An image that cannot be read after all is replaced by the next one of its class, with a warning that names it, so
    that a batch is still a function of its number. More than `most_bad` of them end the process that met them, with an
    `InputError` ("data.bad-images").
    """

    store: Store
    places: np.ndarray
    labels: torch.Tensor
    resolution: int
    fitting: str = FITTING
    most_bad: int = 0
    streamed: bool = field(default=True, init=False)

    def __len__(self) -> int:
        return len(self.places)

    def take(self, indices: np.ndarray) -> "StreamedSplit":
        """The items at `indices`, in that order."""
        return replace(self, places=self.places[indices], labels=self.labels[torch.from_numpy(indices)])

    def at(self, resolution: int) -> "StreamedSplit":
        """The same images, to be decoded at `resolution` pixels a side."""
        return replace(self, resolution=resolution)

    def fitted(self, indices: np.ndarray) -> torch.Tensor:
        """The images at `indices`, uint8 (n, 3, S, S), decoded one after another in the calling thread."""
        images = torch.empty(len(indices), 3, self.resolution, self.resolution, dtype=torch.uint8)
        read = READINGS[self.fitting]
        for row, index in enumerate(indices.tolist()):
            images[row] = to_tensor(self._try(index, lambda given: read(given, self.resolution)))
        return images

    def picture(self, index: int, least: int | None = None) -> "Image.Image":
        """One image, upright and RGB; where `least` is given a JPEG may be decoded reduced."""
        return self._try(index, lambda given: read_upright(given, least))

    def contents(self) -> Iterator[bytes | memoryview]:
        """Names, sizes, labels, and the bytes of `HASHED` files that are spread over all of them."""
        for place in self.places.tolist():
            yield os.fsencode(self.store.names[place]) + b"\0"
        yield np.ascontiguousarray(self.store.sizes[self.places]).data
        yield self.labels.numpy().data
        for place in self.places[np.unique(np.linspace(0, len(self) - 1, HASHED).astype(int))].tolist():
            given = self.store.locate(place)
            yield given if isinstance(given, bytes) else Path(given).read_bytes()

    def _try(self, index: int, read: "Callable[[Given], T]") -> T:
        """What `read` makes of the image at `index`, or of the next one of its class that it can read."""
        label = self.labels[index].item()
        for other in chain((index,), self._others(index, label)):
            place = int(self.places[other])
            try:
                return read(self.store.locate(place))
            except Exception as error:  # a decoder fed with damaged bytes can fail in any way
                self._note(self.store.names[place], error)
        raise InputError(f"cannot read {self.store.names[int(self.places[index])]}, nor others of its class",
                         code="data.bad-images", path=self.store.names[int(self.places[index])])  # fmt: skip

    def _others(self, index: int, label: float) -> Iterator[int]:
        """The images of the class `label` after `index`, and then those before it; `TRIES` of them at most."""
        alike = torch.nonzero(self.labels == label).flatten().numpy()
        after = int(np.searchsorted(alike, index)) + 1
        yield from np.roll(alike, -after)[: min(TRIES, len(alike) - 1)].tolist()

    def _note(self, name: str, error: Exception) -> None:
        if name in _unreadable:
            return
        _unreadable.add(name)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if len(_unreadable) > self.most_bad:
            raise InputError(
                f"cannot read the image {name}: {reason}; {self.most_bad} such images may be (max_bad), and this is "
                "one more: `hwnas data check` lists them",
                code="data.bad-images", path=name, count=len(_unreadable), allowed=self.most_bad,
            ) from None  # fmt: skip
        logger.warning("cannot read the image %s: %s: another of its class is in its place", name, reason)
