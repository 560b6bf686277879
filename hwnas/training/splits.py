"""Labelled images in memory, and stratified splits of them."""

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
        parts = [resized(part.float(), resolution).round().to(torch.uint8) for part in torch.split(self.images, CHUNK)]
        return Split(torch.cat(parts), self.labels)


def stratified(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ascending indices of the rest, and of a random `share` of each class in integer `labels` (N,).

    Both get at least one item of every class. Raises `InputError` ("data.class-too-small") where a class has only one,
    and ("data.share") where `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError(f"a share of a data set is between 0 and 1, not {share:g}", code="data.share", share=share)
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise InputError(
                f"class {label} has only one image: it cannot be in both splits, so add another",
                code="data.class-too-small",
                label=int(label),
            )
        count = min(max(1, round(share * len(members))), len(members) - 1)
        chosen[rng.choice(members, count, replace=False)] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def holdout(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """The training split that is left, and a validation split of a random `share` of each class of `split`. Raises as
    `stratified` does."""
    rest, validation = stratified(split.labels.numpy(), share, seed)
    return split.take(rest), split.take(validation)
