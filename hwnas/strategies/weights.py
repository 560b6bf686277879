"""Shared weights as they are run and trained: any gates, on the batch that all ranks have together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch.nn.functional import cross_entropy

from ..nn.accelerator import autocast
from ..nn.gates import Gate
from ..nn.ranks import Ranks
from ..nn.supernet import Supernet
from .base import TrainingPaths

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(logits (N, classes), labels (N,)) to the loss to learn from, a mean over N."""

Batch = tuple[torch.Tensor, torch.Tensor]
"""Images (N, 3, H, W) and labels (N,) on the supernet's device; of several ranks each has its rows, equally many."""


@dataclass(frozen=True)
class SharedWeights:
    """`supernet` as every one of `ranks` runs it on its rows. `bfloat16` is as `autocast` takes it."""

    supernet: Supernet
    criterion: Criterion = cross_entropy
    ranks: Ranks = field(default_factory=Ranks)
    bfloat16: bool | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.supernet.parameters()).device

    def logits(self, images: torch.Tensor, gates: Sequence[Gate]) -> torch.Tensor:
        """What `gates` answer, (N, classes), in float32 or the weights' own precision if that is more.

        Gates may be on another device, and get the gradient of the batch of all ranks: one message for all of them.
        Ends all ranks with `InputError` unless they open the same.
        """
        if self.ranks.size > 1:
            opened = [(gate.indices, None if gate.weights is None else gate.weights.tolist()) for gate in gates]
            self.ranks.agree("what the gates open", opened)
        with autocast(self.device, self.bfloat16):
            logits: torch.Tensor = self.supernet(images, self._spread(gates))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def loss(self, batch: Batch, gates: Sequence[Gate]) -> torch.Tensor:
        """The criterion on the batch of all ranks."""
        images, labels = batch
        return self.ranks.averaged(self.criterion(self.logits(images, gates), labels))

    def _spread(self, gates: Sequence[Gate]) -> tuple[Gate, ...]:
        weighted = [gate.weights for gate in gates if gate.weights is not None]
        if not weighted:
            return tuple(gates)
        parts = iter(self.ranks.spread(torch.cat(weighted).to(self.device)).split(list(map(len, weighted))))  # type: ignore[no-untyped-call]
        return tuple(gate if gate.weights is None else replace(gate, weights=next(parts)) for gate in gates)


def weight_step(
    shared: SharedWeights, optimizer: torch.optim.Optimizer, training_paths: TrainingPaths, batch: Batch
) -> float:
    """One update of the weights by `training_paths`; returns the loss of its first path before it.

    Each path runs backward before the next runs forward, so the memory is that of one. What no path runs keeps no
    gradient, and the optimiser does not touch it. What only later paths run is not decayed with `decay_first`.
    Through the answers of the first path that others learn by cross-entropy with `distil`, no gradient flows.
    """
    images, labels = batch
    optimizer.zero_grad(set_to_none=True)
    first, *others = training_paths.paths
    logits = shared.logits(images, first)
    loss = shared.ranks.averaged(shared.criterion(logits, labels))
    loss.backward()  # type: ignore[no-untyped-call]
    later = _without_gradient(optimizer) if training_paths.decay_first else []
    taught = logits.detach().softmax(1)
    for path in others:
        logits = shared.logits(images, path)
        (cross_entropy(logits, taught) if training_paths.distil else shared.criterion(logits, labels)).backward()  # type: ignore[no-untyped-call]
    for parameter, decay in later:
        if parameter.grad is not None:
            parameter.grad.sub_(parameter.detach(), alpha=decay)  # which the optimiser is about to add
    optimizer.step()
    return float(loss.detach())


def _without_gradient(optimizer: torch.optim.Optimizer) -> list[tuple[torch.Tensor, float]]:
    """The parameters that have no gradient, each with its weight decay."""
    groups = optimizer.param_groups
    return [(p, group["weight_decay"]) for group in groups for p in group["params"] if p.grad is None]
