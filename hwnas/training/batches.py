"""Training batches as a pure function of the step, so that a resumed run needs only the number of its step."""

import numpy as np
import torch
from torch.nn import functional

from ..errors import InputError
from .data import Dataset
from .splits import Split


class Batches:
    """`batches(step)` gives images, float32 (batch, 3, H, W) normalised and channels_last, and labels, int64 (batch,).

    Every epoch is a new order of the whole split, less the last images that do not fill a batch. With `augment` each
    image is shifted by up to `shift` of its size, and mirrored half of the time where `dataset.flip`. All of it
    depends on `seed` and `step` alone. Raises `InputError` where there is not one full batch.
    """

    def __init__(
        self, split: Split, dataset: Dataset, batch_size: int, seed: int, augment: bool = True, shift: float = 0
    ) -> None:
        if not 1 <= batch_size <= len(split):
            raise InputError(f"a batch of {batch_size} cannot be drawn from {len(split)} training images")
        self.split, self.dataset, self.batch_size, self.seed, self.augment = split, dataset, batch_size, seed, augment
        self.shift = round(shift * split.images.shape[-1])
        self.per_epoch = len(split) // batch_size
        self._order = (-1, torch.empty(0))  # of the last epoch asked for, which is nearly always the next one too

    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch of update `step`, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.per_epoch)
        if self._order[0] != epoch:
            order = np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.split))
            self._order = (epoch, torch.from_numpy(order))
        chosen = self._order[1][place * self.batch_size : (place + 1) * self.batch_size]
        images = self.split.images[chosen]
        if self.augment:
            images = self._augmented(images, np.random.default_rng((self.seed, 1, step)))
        return self.dataset.normalise(images), self.split.labels[chosen]

    def _augmented(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """uint8 images (N, 3, H, W), each shifted and perhaps mirrored."""
        (count, _, size, _), shift = images.shape, self.shift
        windows = functional.pad(images, (shift,) * 4).unfold(2, size, 1).unfold(3, size, 1)  # a view of all crops
        down, right = torch.from_numpy(rng.integers(0, 2 * shift, (2, count), endpoint=True))
        crops = windows[torch.arange(count), :, down, right]
        if not self.dataset.flip:
            return crops
        mirrored = torch.from_numpy(rng.random(count) < 0.5)[:, None, None, None]
        return torch.where(mirrored, crops.flip(3), crops)
