"""How batches come to the loop: made ahead of it, by processes or by a thread, where either is safe."""

import multiprocessing
import sys
from contextlib import AbstractContextManager, nullcontext

import torch

from .augment import AugmentedBatches
from .batches import Batches
from .loader import Loaded
from .prefetch import Prefetched


def loader(batches: Batches, device: torch.device) -> AbstractContextManager[Prefetched | Loaded]:
    """`batches` on `device`, made while the step before runs.

    Processes make what has to be decoded or augmented. timm draws from random numbers of the whole process, so that a
    thread must not: where there are no processes, augmented batches are made between the steps. One of several
    trainings at once has one process for them.
    """
    parent = multiprocessing.parent_process()
    augmented, streamed = isinstance(batches, AugmentedBatches), batches.split.streamed
    has_processes = not multiprocessing.current_process().daemon and (streamed or sys.platform == "linux")
    if (augmented or streamed) and has_processes:
        return Loaded(batches, device, workers=None if parent is None else 1)
    prefetched = Prefetched(batches, device)
    return nullcontext(prefetched) if augmented else prefetched
