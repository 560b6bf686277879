"""Mean and deviation of the channels, which images are normalised by."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch

from ..progress import Progress, show_progress
from .splits import Images, chunks

SAMPLE = 4096
"""Streamed training images, at most, that the statistics are of: the mean of a channel is uncertain by 0.004 then."""
SAMPLE_SEED = 0
CHUNK = 1024
PENDING = 256
"""Images that wait for a thread, or for who takes them, at once."""
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation that published weights expect."""

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def channel_statistics(
    images: Images, of: Literal["data", "imagenet"] = "data", progress: Progress = None
) -> Statistics:
    """Mean and deviation per channel of values in 0 to 1: of all `images`, of a fixed sample of `SAMPLE` where they are
    streamed, or ImageNet's."""
    if of == "imagenet":
        return IMAGENET
    counts = torch.stack([_histogram(part) for part in _parts(images, progress)]).sum(0)
    levels = torch.arange(256, dtype=torch.float64) / 255
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = share @ levels
    variance = share @ levels**2 - mean**2
    std = variance.clamp(min=255.0**-2).sqrt()  # images of one flat colour have none to divide by
    means, stds = (tuple(round(value, 6) for value in values.tolist()) for values in (mean, std))
    return means, stds


def _histogram(images: torch.Tensor) -> torch.Tensor:
    """How often each level is in each channel: int64 (3, 256). Exact, and no float copy of all the images."""
    return torch.stack([channel.flatten().bincount(minlength=256) for channel in images.unbind(1)])


def _parts(images: Images, progress: Progress) -> Iterator[torch.Tensor]:
    if not images.streamed:
        yield from (images.fitted(chosen) for chosen in chunks(len(images), CHUNK))
        return
    count = min(SAMPLE, len(images))
    chosen = np.sort(np.random.default_rng(SAMPLE_SEED).permutation(len(images))[:count])
    yield from in_threads(images, chosen, "statistics", progress)


def in_threads(images: Images, chosen: np.ndarray, stage: str, progress: Progress) -> Iterator[torch.Tensor]:
    """The images at `chosen`, in order, uint8 (1, 3, S, S) each, decoded by one thread per processor."""
    with show_progress(stage, len(chosen), progress) as report, ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(chosen), PENDING):
            for done, part in enumerate(pool.map(images.fitted, chosen[start : start + PENDING, None]), start + 1):
                yield part
                report(done, "")
