"""Labelled images in memory, and stratified parts of them."""

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import InputError
from ..nn.supernet import resized

CHUNK = 1000
"""Images that are resized at once."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images as uint8 (N, 3, H, W), not necessarily contiguous, and their classes as int64 (N,)."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> "Split":
        """The items at `indices`, in that order."""
        chosen = torch.from_numpy(indices)
        return Split(self.images[chosen], self.labels[chosen])

    def at(self, resolution: int) -> "Split":
        """The same images at `resolution` pixels a side."""
        parts = [resized(part.float(), resolution).round().to(torch.uint8) for part in self.images.split(CHUNK)]
        return Split(torch.cat(parts), self.labels)


def stratified(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ascending indices of the rest, and of a random `fraction` of each class in integer `labels` (N,).

    Both get at least one item of every class. Raises `InputError` where a class has only one.
    """
    if not 0 < fraction < 1:
        raise InputError(f"a part of a data set is a fraction between 0 and 1, not {fraction:g}")
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise InputError(f"class {label} has only one image: it cannot be divided in two parts")
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        held[rng.choice(members, count, replace=False)] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def holdout(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """`split` as (rest, held): a random `fraction` of each class is held out. Raises as `stratified` does."""
    rest, held = stratified(split.labels.numpy(), fraction, seed)
    return split.take(rest), split.take(held)
