"""Labelled images, wherever they are, and stratified splits of them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from ..errors import InputError
from ..nn.supernet import resized

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

CHUNK = 1000
"""Images that are resized at once."""
TOLD = 5
"""Classes, at most, that a warning names."""


class Images(Protocol):
    """Labelled images: in memory (`Split`), or decoded when they are asked for (`StreamedSplit`).

    An index is the place in the split, from 0. All of it can be pickled, and asked for from any thread or process.
    """

    @property
    def labels(self) -> torch.Tensor:
        """The classes, int64 (N,)."""
        ...

    @property
    def resolution(self) -> int:
        """Height and width in pixels of what `fitted` gives."""
        ...

    @property
    def streamed(self) -> bool:
        """Whether images are decoded when they are asked for, and so need workers that do it ahead."""
        ...

    def __len__(self) -> int: ...

    def take(self, indices: np.ndarray) -> "Images":
        """The items at `indices`, in that order."""
        ...

    def at(self, resolution: int) -> "Images":
        """The same images at `resolution` pixels a side."""
        ...

    def fitted(self, indices: np.ndarray) -> torch.Tensor:
        """The images at `indices`, uint8 (n, 3, S, S), upright and as validation and deployment feed them."""
        ...

    def picture(self, index: int, least: int | None = None) -> "Image.Image":
        """One image, upright and RGB, for crops of training: of any size, unless in memory.

        With `least` it may be decoded at a fraction of its size, as long as no side gets shorter than `least` pixels.
        """
        ...

    def contents(self) -> Iterator[bytes | memoryview]:
        """What tells these images and labels from others: what a fingerprint is of."""
        ...


@dataclass(frozen=True, eq=False)
class Split:
    """Images in memory as uint8 (N, 3, H, W), not necessarily contiguous, and their classes as int64 (N,)."""

    images: torch.Tensor
    labels: torch.Tensor
    streamed = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def resolution(self) -> int:
        """Height and width in pixels."""
        return self.images.shape[-1]

    def take(self, indices: np.ndarray) -> "Split":
        """The items at `indices`, in that order."""
        chosen = torch.from_numpy(indices)
        return Split(self.images[chosen], self.labels[chosen])

    def at(self, resolution: int) -> "Split":
        """The same images at `resolution` pixels a side."""
        parts = [resized(part.float(), resolution).round().to(torch.uint8) for part in torch.split(self.images, CHUNK)]
        return Split(torch.cat(parts), self.labels)

    def fitted(self, indices: np.ndarray) -> torch.Tensor:
        """The images at `indices`, uint8 (n, 3, S, S)."""
        return self.images[torch.from_numpy(indices)]

    def picture(self, index: int, least: int | None = None) -> "Image.Image":
        """The image at `index`; it is never larger than it is here."""
        from PIL import Image

        return Image.fromarray(self.images[index].permute(1, 2, 0).contiguous().numpy())

    def contents(self) -> Iterator[bytes | memoryview]:
        """Every pixel and every label."""
        yield self.images.contiguous().numpy().data
        yield self.labels.numpy().data


def chunks(count: int, size: int) -> list[np.ndarray]:
    """The indices 0 to `count` - 1 in order, `size` at a time."""
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]


def stratified(
    labels: np.ndarray, share: float, seed: int, names: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Ascending indices of the rest, and of a random `share` of each class in integer `labels` (N,).

    Both get at least one item of every class, but of a class of one item, which stays in the rest. Raises `InputError`
    ("data.class-too-small") where every class has only one, and ("data.share") where `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError(f"a share of a data set is between 0 and 1, not {share:g}", code="data.share", share=share)
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            count = min(max(1, round(share * len(members))), len(members) - 1)
            chosen[rng.choice(members, count, replace=False)] = True
    if not chosen.any():
        name = names[labels[0]] if names and len(labels) else "every class"
        raise InputError(
            f"{name} has only one image: none can be held out to choose by, so add another",
            code="data.class-too-small",
            label=name,
        )
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def holdout(split: Images, share: float, seed: int, names: Sequence[str] | None = None) -> tuple[Images, Images]:
    """The training split that is left, and a validation split of a random `share` of each class of `split`.

    A class of one image has none in the validation split: with `names` of the classes, a warning says of which. Raises
    as `stratified` does.
    """
    labels = split.labels.numpy()
    rest, validation = stratified(labels, share, seed, names)
    alone = np.flatnonzero(np.bincount(labels) == 1).tolist() if names else ()
    if names and alone:
        told = ", ".join(names[label] for label in alone[:TOLD])
        more = f" and {len(alone) - TOLD} others" if len(alone) > TOLD else ""
        logger.warning("only one training image, and so none to validate on: class %s%s", told, more)
    return split.take(rest), split.take(validation)
