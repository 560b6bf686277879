"""Training batches as a pure function of the step, so that a resumed run needs only the number of its step."""

import numpy as np
import torch

from ..errors import InputError
from .data import Dataset
from .splits import Images


class Batches:
    """`batches(step)` gives images, float32 (batch, 3, H, W) normalised and channels_last, and labels, int64 (batch,).

    Every epoch is a new order of the whole split, less the last images that do not fill a batch. With `augment` each
    image is shifted by up to `shift` of its size, and where `mirror`, by default where `dataset.flip`, mirrored half of
    the time. All of it depends on `seed` and `step` alone. Of each batch only `rows` are made, the same as in the whole
    batch: several processes can share it. Raises `InputError` ("training.batch-size") where one batch is not full.
    """

    def __init__(
        self,
        split: Images,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        augment: bool = True,
        shift: float = 0,
        rows: slice = slice(None),
        mirror: bool | None = None,
    ) -> None:
        if not 1 <= batch_size <= len(split):
            raise InputError(
                f"a batch of {batch_size} cannot be drawn from {len(split)} training images: take a smaller one "
                "(--set batch_size=16)",
                code="training.batch-size",
                batch_size=batch_size,
                images=len(split),
            )
        self.split, self.dataset, self.batch_size, self.seed, self.augment = split, dataset, batch_size, seed, augment
        self.shift, self.positions = round(shift * split.resolution), np.arange(batch_size)[rows]
        self.mirror = dataset.flip if mirror is None else mirror
        self.per_epoch = len(split) // batch_size
        self._order = (-1, torch.empty(0))  # the last epoch asked for, nearly always the next one too, and its order

    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch of update `step`, counted from 0 over all epochs; any thread may ask."""
        chosen = self._indices(step)[self.positions]
        if self.augment:
            images = self._augment(chosen, np.random.default_rng((self.seed, 1, step)))
        else:
            images = self.split.fitted(chosen.numpy())
        return self.dataset.normalise(images), self.split.labels[chosen]

    def _indices(self, step: int) -> torch.Tensor:
        """The indices in the split, int64 (batch,), of the images of update `step`."""
        epoch, place = divmod(step, self.per_epoch)
        ordered, order = self._order
        if ordered != epoch:
            order = torch.from_numpy(np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.split)))
            self._order = (epoch, order)
        return order[place * self.batch_size : (place + 1) * self.batch_size]

    def _augment(self, chosen: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """The images `chosen`, uint8 (rows, 3, H, W), each shifted and perhaps mirrored.

        Every image is copied from the split, and then to where it ends up. In torch each of several operations on the
        whole batch would copy it, and wait for all of torch's threads, which a training step has better use for.
        """
        source, count = self.split.fitted(chosen.numpy()).numpy(), self.batch_size
        images = np.zeros_like(source)
        offsets = rng.integers(0, 2 * self.shift, (2, count), endpoint=True)[:, self.positions] - self.shift
        mirrored = (rng.random(count) < 0.5 if self.mirror else np.zeros(count, bool))[self.positions]
        for image, given, down, right, mirror in zip(images, source, *offsets.tolist(), mirrored, strict=True):
            move(given, image[:, :, ::-1] if mirror else image, down, right)
        return torch.from_numpy(images)


def move(given: np.ndarray, target: np.ndarray, down: int, right: int) -> None:
    """Write into `target` (3, H, W), which is empty, what a window sees of the image `given` that begins `down` and
    `right` pixels into it."""
    rows, from_rows = _overlap(down, given.shape[1])
    columns, from_columns = _overlap(right, given.shape[2])
    target[:, rows, columns] = given[:, from_rows, from_columns]


def _overlap(offset: int, size: int) -> tuple[slice, slice]:
    """Which of `size` pixels a window gets that begins `offset` pixels into them, and from where; the rest is empty."""
    before, after = max(0, -offset), max(0, offset)
    return slice(before, size - after), slice(after, size - before)
