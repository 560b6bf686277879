"""Scores of the children of a supernet on images that are too many to hold: decoded again for each child."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ..nn.build import Network
from ..nn.supernet import Supernet, resized
from ..space.space import Arch
from .data import Dataset
from .evaluate import accuracy, logits
from .inherited import By
from .memory import give_back_freed_memory
from .splits import Images

PIXELS, LEAST = 2**20, 32
"""Pixels of the images, at most, that BatchNorm statistics are taken of, and how many of these there are at least."""
PART = 2**20
"""Pixels of a batch of them: the features of an expanding block of 20 images of 224 px take 100 MB, several times."""


def calibration_count(most: int, resolution: int) -> int:
    """How many streamed training images the BatchNorm statistics of a child are taken of, where it would be `most`."""
    return min(most, max(LEAST, PIXELS // resolution**2))


class StreamedChildren:
    """As `Inherited`, without its cache of features: in memory are those of one chunk of images after one block."""

    def __init__(
        self, supernet: Supernet, calibration: torch.Tensor, validation: Images, dataset: Dataset, by: By = "accuracy"
    ) -> None:
        self.supernet, self.validation, self.dataset, self.by = supernet, validation, dataset, by
        self.calibration = dataset.normalise(calibration).to(next(supernet.parameters()).device)
        give_back_freed_memory()  # that of training steps, whose features have other sizes

    def __call__(self, archs: Sequence[Arch]) -> list[float]:
        """The score of the child of each of `archs`, the larger the better."""
        return [self._score(arch) for arch in archs]

    @torch.inference_mode()
    def _score(self, arch: Arch) -> float:
        child = self.supernet.extract(arch)
        self._calibrate(child)
        found = logits(child, self.validation, self.dataset).float()
        if self.by == "accuracy":
            return accuracy(found, self.validation.labels)
        return -cross_entropy(found, self.validation.labels).item()

    def _calibrate(self, child: Network) -> None:
        """Have the norms of `child` take the mean statistics of batches of the calibration images."""
        child.eval()
        for module in child.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # torch's way to ask for the cumulative average
                module.train()
        parts = -(-self.calibration[0, 0].numel() * len(self.calibration) // PART)
        for images in self.calibration.chunk(parts):  # as even as can be
            child(resized(images, child.net.resolution))
        child.eval()
