"""Logits and accuracy of a network on a split."""

from collections.abc import Collection
from contextlib import nullcontext
from math import ceil

import torch
from torch import nn

from ..nn.build import Network
from ..nn.supernet import resized
from .batches import Batches
from .data import Dataset
from .loading import each_chunk, make_loader
from .splits import Images

CALIBRATION = 4096
"""Training images, at most, that the norms of weights that are kept take their statistics of."""
QUICK_CALIBRATION = 512
"""The same where it is soon done again, or a network only serves another: as many as a search takes."""
CHUNK = 250
"""Images per forward pass; results do not depend on it."""
STREAMED_PIXELS = 2**19
"""Pixels per forward pass of streamed images, so that their features take no more memory than those of small images."""


@torch.inference_mode()
def logits(module: nn.Module, split: Images, dataset: Dataset) -> torch.Tensor:
    """The logits of `module` in eval mode, on any device, of every image of `split`: float32 (N, classes) on the CPU.

    A `Network` gets the images at its own resolution.
    """
    training = module.training
    module.eval()
    size = chunk_size(split)
    parts = [module(_input_of(dataset.normalise(images), module)).cpu() for images in each_chunk(split, size)]
    module.train(training)
    return torch.cat(parts)


def chunk_size(split: Images) -> int:
    """Images of `split` per forward pass."""
    return max(1, min(CHUNK, STREAMED_PIXELS // split.resolution**2)) if split.streamed else CHUNK


def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Share, 0 to 1, of the logits (N, classes) whose largest is that of the label (N,)."""
    return (logits.argmax(1) == labels).double().mean().item()


def top1(module: nn.Module, split: Images, dataset: Dataset) -> float:
    """Share of the images of `split` that `module`, in eval mode, puts in their class: 0 to 1."""
    return accuracy(logits(module, split, dataset), split.labels)


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Batches, count: int, kept: Collection[nn.BatchNorm2d] = ()) -> nn.Module:
    """`module` in eval mode with the BatchNorm statistics of its present weights over at least `count` images, but for
    those of the norms to be `kept`.

    Averaged or inherited weights have the statistics of none of the networks that they came from. Those are dropped:
    each norm takes the plain mean over the batches instead of a moving one. A `Network` gets the images at its own
    resolution.
    """
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d) and part not in kept]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's way to ask for the cumulative average
    module.eval()  # dropout and dropped paths are not for statistics
    for norm in norms:
        norm.train()
    with make_loader(batches, batches.split) if batches.split.streamed else nullcontext(batches) as made:
        for step in range(ceil(count / batches.batch_size) if norms else 0):
            module(_input_of(made(step)[0], module))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return module.eval()


def _input_of(images: torch.Tensor, module: nn.Module) -> torch.Tensor:
    """`images` (N, 3, H, W) on the device of `module`, and at its resolution if it is a `Network`.

    Convolutions take any size: a network of a space whose resolution is a choice would be scored at another's."""
    images = images.to(next((parameter.device for parameter in module.parameters()), "cpu"))
    return resized(images, module.net.resolution) if isinstance(module, Network) else images
