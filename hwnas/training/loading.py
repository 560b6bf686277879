"""How batches come to whoever needs them: made ahead, by processes or by a thread, where either is safe."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch

from .augment import AugmentedBatches
from .loader import Loaded
from .prefetch import Batch, Prefetched
from .splits import Images


def make_loader(
    batches: Callable[[int], Batch], images: Images, device: torch.device | str = "cpu"
) -> Prefetched | Loaded:
    """`batches` of `images` on `device`, made while the step before runs.

    Processes make what has to be decoded or augmented, a thread the rest. timm draws from random numbers of the whole
    process, so that a thread must not: where there are no processes, augmented batches are made between the steps. One
    of several trainings at once has one process for them.
    """
    augmented = isinstance(batches, AugmentedBatches)
    may_have_children = not multiprocessing.current_process().daemon
    if may_have_children and (images.streamed or (augmented and sys.platform == "linux")):
        parent = multiprocessing.parent_process()
        return Loaded(batches, device, workers=None if parent is None else 1)
    return Prefetched(batches, device, ahead=not augmented)


class InChunks:
    """The images of a split in order, `size` at a time, as batches by the number of the chunk; none after the last."""

    def __init__(self, images: Images, size: int) -> None:
        self.images, self.size = images, size

    def __call__(self, step: int) -> Batch:
        """Chunk `step`: uint8 (n, 3, S, S), and labels."""
        chosen = np.arange(step * self.size, min((step + 1) * self.size, len(self.images)))
        return self.images.fitted(chosen), self.images.labels[chosen]


def each_chunk(images: Images, size: int) -> Iterator[torch.Tensor]:
    """The images of a split in order, uint8 (n, 3, S, S), `size` at a time; made by processes where decoded."""
    if not images.streamed:
        yield from (InChunks(images, size)(step)[0] for step in range(-(-len(images) // size)))
        return
    with make_loader(InChunks(images, size), images) as made:
        for step in range(-(-len(images) // size)):
            yield made(step)[0]
