"""What a network answers, and how often it is right."""

from math import ceil

import torch
from torch import nn

from ..nn.build import Network
from ..nn.supernet import resized
from .batches import Batches
from .data import Dataset
from .splits import Split

CHUNK = 250
"""Images per forward pass; results do not depend on it."""


@torch.inference_mode()
def logits(module: nn.Module, split: Split, dataset: Dataset) -> torch.Tensor:
    """The answers of `module` in eval mode, wherever it is, to every image of `split`: float32 (N, classes).

    A `Network` is shown them at its own resolution.
    """
    training = module.training
    module.eval()
    chunks = [module(_shown(dataset.normalise(images), module)) for images in split.images.split(CHUNK)]
    module.train(training)
    return torch.cat(chunks).cpu()


def accuracy(answers: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of the logits (N, classes) whose largest is that of the label (N,)."""
    return (answers.argmax(1) == labels).double().mean().item()


def top1(module: nn.Module, split: Split, dataset: Dataset) -> float:
    """Share of the images of `split` that `module`, in eval mode, puts in their class: 0 to 1."""
    return accuracy(logits(module, split, dataset), split.labels)


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Batches, count: int) -> nn.Module:
    """`module` in eval mode with the BatchNorm statistics of its present weights over at least `count` images.

    Averaged or inherited weights have statistics of none of the networks that they came from. They are forgotten, and
    each norm takes the plain mean over the batches instead of a moving one. A `Network` is shown them at its own
    resolution.
    """
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's way to ask for the cumulative average
    module.train()
    for step in range(ceil(count / batches.batch_size)):
        module(_shown(batches(step)[0], module))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return module.eval()


def _shown(images: torch.Tensor, module: nn.Module) -> torch.Tensor:
    """`images` (N, 3, H, W) as `module` takes them: where it is, and at the resolution that it is for, if it has one.

    Convolutions take any size: a network of a space whose resolution is a choice would be judged at another's."""
    images = images.to(next((parameter.device for parameter in module.parameters()), "cpu"))
    return resized(images, module.net.resolution) if isinstance(module, Network) else images
