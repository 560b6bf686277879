"""Whether a model is the function that the weights are: as far apart as float32 makes any two computations of it."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from ..errors import VerificationError
from ..training.data import Dataset
from ..training.evaluate import accuracy, logits
from .onnx import onnx_logits

MULTIPLE = 4
"""How many times the error of torch's float32 that of onnxruntime may be. Both are the rounding of the same sums in
another order: on zoo networks of random norms it was 0.5 to 1.5 times, at 7e-7 to 3e-5 of the largest logit."""

FLOOR = 32 * 2.0**-24
"""Share of the largest logit that an error may always be, 32 roundings: in a small network torch's may be none."""

EXACT = 8
"""Images that are computed in float64 too, of those on which both differ most, and as many spread over all: float64
takes some ten times as long."""


@dataclass(frozen=True)
class Agreement:
    """Accuracy (0 to 1) in torch and in onnxruntime on the same images, and the largest difference of any logit."""

    top1: float
    onnx_top1: float
    max_abs_logit_diff: float


def check_agreement(module: nn.Module, model: bytes, dataset: Dataset) -> Agreement:
    """Require that the ONNX `model` computes what `module` does, for the test images of `dataset`.

    Both are held against the same weights in float64, on the images where they differ most and some others: the error
    of onnxruntime may be `MULTIPLE` times that of torch and `FLOOR`, at most. An image whose two best logits are nearer
    to each other than this may be in another class then. Raises `VerificationError` ("bundle.not-the-weights").
    """
    labels = dataset.test.labels
    ours, theirs = logits(module, dataset.test, dataset), onnx_logits(model, dataset.test, dataset)
    differences = (ours - theirs).abs().amax(1)
    difference = differences.max().item()
    if not torch.isfinite(differences).all():
        raise VerificationError(
            f"the weights or the model give logits that are no numbers: they differ by {difference}",
            code="bundle.not-the-weights",
            difference=difference,
        )
    chosen = _worst_and_others(differences)
    exact = _exact_logits(module, dataset.normalise(dataset.test.fitted(chosen.numpy())))
    own, error = ((part[chosen] - exact).abs().max().item() for part in (ours, theirs))
    allowed = MULTIPLE * own + FLOOR * exact.abs().max().item()
    if not error <= allowed:
        raise VerificationError(
            f"model.onnx differs from the weights by {difference:.2g} in a logit, from float64 by {error:.2g}, where "
            f"float32 accounts for {allowed:.2g}",
            code="bundle.not-the-weights",
            difference=difference,
            error=error,
            allowed=allowed,
        )
    return Agreement(accuracy(ours, labels), accuracy(theirs, labels), difference)


def _worst_and_others(differences: torch.Tensor) -> torch.Tensor:
    """Indices of `EXACT` images with the largest `differences` (N,), and of as many that are spread over all."""
    worst: list[int] = differences.topk(min(EXACT, len(differences))).indices.tolist()
    others: list[int] = torch.linspace(0, len(differences) - 1, EXACT).long().tolist()
    return torch.tensor(sorted({*worst, *others}))


@torch.no_grad()
def _exact_logits(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The logits of `module`, in eval mode, in float64 (N, classes); images are float32 (N, 3, H, W)."""
    found: torch.Tensor = copy.deepcopy(module).double().eval()(images.double())
    return found
