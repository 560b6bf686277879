"""How well a classifier does on a split: more than one number."""

from dataclasses import dataclass

import torch
from pydantic import ConfigDict
from torch import nn
from torch.nn.functional import cross_entropy

from .data import Dataset
from .evaluate import accuracy, logits
from .splits import Images

BINS = 15
"""Of the calibration error, as in 1706.04599."""


@dataclass(frozen=True)
class Metrics:
    """What a network does on `images` images.

    `top1` and `top5` are shares of the images whose class is the first, or among the first five (None for up to five
    classes). `loss` is the mean cross-entropy. `per_class` is top-1 for each class, None where there is no image of it.
    `confusion` counts images: a row for each class, a column for what it was taken for. `calibration_error` is the
    expected difference of confidence and accuracy (1706.04599, 15 bins): 0 for confidences that are true. All shares
    are 0 to 1.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    images: int
    top1: float
    top5: float | None
    loss: float
    calibration_error: float
    per_class: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]


def measure(module: nn.Module, split: Images, dataset: Dataset) -> Metrics:
    """The metrics of `module`, in eval mode, on `split`."""
    return metrics_of(logits(module, split, dataset), split.labels)


def metrics_of(logits: torch.Tensor, labels: torch.Tensor) -> Metrics:
    """The metrics of logits (N, classes) for labels, int64 (N,)."""
    classes = logits.shape[1]
    confusion = torch.bincount(classes * labels + logits.argmax(1), minlength=classes**2).view(classes, classes)
    right, counts = confusion.diag().tolist(), confusion.sum(1).tolist()
    among_five = (logits.topk(5).indices == labels[:, None]).any(1).double().mean().item() if classes > 5 else None
    return Metrics(
        images=len(labels),
        top1=accuracy(logits, labels),
        top5=among_five,
        loss=cross_entropy(logits.double(), labels).item(),
        calibration_error=_calibration_error(logits, labels),
        per_class=tuple(part / count if count else None for part, count in zip(right, counts, strict=True)),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def _calibration_error(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Mean difference, over bins of equal width and weighted by their images, of confidence and accuracy."""
    confidence, chosen = logits.double().softmax(1).max(1)
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1  # each without its lower end
    gap = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, confidence - (chosen == labels).double())
    return (gap.abs().sum() / len(labels)).item()
