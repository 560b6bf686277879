"""One step of the shared weights over several architectures at once."""

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import cross_entropy

from ..nn.supernet import Supernet, one_hot
from ..space.space import Arch

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(logits (N, classes), labels (N,)) to the loss to learn from."""


def weight_step(
    supernet: Supernet,
    optimizer: torch.optim.Optimizer,
    archs: Sequence[Arch],
    images: torch.Tensor,
    labels: torch.Tensor,
    criterion: Criterion = cross_entropy,
    distil: bool = False,
) -> float:
    """One update by the sum of the gradients of `archs` on the same batch; returns the loss of the first before it.

    `images` are (N, 3, H, W) and `labels` (N,). With `distil` only the first architecture learns the labels, and the
    others its answers: cross-entropy with its softmax, through which no gradient flows (in-place distillation,
    1903.05134, §4.2; for a sandwich of which the first is the largest, 2003.11142, §3.1).

    Each architecture runs backward before the next runs forward, so the memory is that of one. What no architecture
    runs keeps no gradient, and the optimiser does not touch it.
    """
    optimizer.zero_grad(set_to_none=True)
    first, *others = archs
    logits = supernet(images, one_hot(first))
    loss = criterion(logits, labels)
    loss.backward()
    taught = logits.detach().softmax(1)
    for arch in others:
        answers = supernet(images, one_hot(arch))
        (cross_entropy(answers, taught) if distil else criterion(answers, labels)).backward()
    optimizer.step()
    return float(loss.detach())
