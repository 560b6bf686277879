"""Training one network from scratch, resumable after any epoch."""

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from timm.loss import LabelSmoothingCrossEntropy
from timm.utils import ModelEmaV3
from torch import nn

from ..errors import InputError
from ..nn.build import build
from ..nn.state import load_state, save_state
from ..progress import Report, silent
from ..space.net import Net
from .batches import Batches
from .data import Dataset
from .evaluate import recalibrate, top1
from .memory import keep_freed_memory
from .prefetch import Prefetched
from .recipe import Recipe

CALIBRATION = 4096
"""Training images, at most, that the final BatchNorm statistics are taken over."""


@dataclass(frozen=True)
class Trained:
    """A trained `module` in eval mode, its top-1 (0 to 1) on the test split, and the mean loss of each epoch."""

    module: nn.Module
    top1: float
    history: list[float]


class _Run:
    """Everything that changes during training; `state` is what a resumed run needs."""

    def __init__(self, net: Net, dataset: Dataset, recipe: Recipe, seed: int) -> None:
        self.module = build(net, seed).train()
        self.batches = Batches(dataset.train, dataset, recipe.batch_size, seed, shift=recipe.shift)
        self.optimizer = recipe.make_optimizer(self.module)
        self.schedule = recipe.make_schedule(self.optimizer, recipe.epochs * self.batches.per_epoch)
        self.ema = ModelEmaV3(self.module, decay=recipe.ema, use_warmup=True)
        self.loss = LabelSmoothingCrossEntropy(recipe.label_smoothing)
        self.history: list[float] = []

    def epoch(self, batches: Prefetched, report: Report) -> None:
        """One pass over the training split."""
        first = len(self.history) * self.batches.per_epoch
        total = 0.0
        for step in range(first, first + self.batches.per_epoch):
            total += self.update(step, *batches(step))
            report(step + 1, f"loss {total / (step + 1 - first):.3f}")
        self.history.append(total / self.batches.per_epoch)
        if not isfinite(total):
            raise InputError(f"training diverged in epoch {len(self.history)}: use a smaller learning rate")

    def update(self, step: int, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One optimiser update; returns the loss before it."""
        self.schedule.step_update(step)
        loss = self.loss(self.module(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.ema.update(self.module, step + 1)
        return loss.item()

    def state(self) -> dict[str, Any]:
        parts = {"module": self.module, "ema": self.ema.module, "optimizer": self.optimizer}
        return {"history": self.history, **{name: part.state_dict() for name, part in parts.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        self.history = state["history"]
        self.module.load_state_dict(state["module"])
        self.ema.module.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])


def train(
    net: Net,
    dataset: Dataset,
    recipe: Recipe | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    report: Report = silent,
) -> Trained:
    """Train `net` on the training split of `dataset`; the result depends on these four, and on torch's thread count.

    With `checkpoint`, the state is written there after every epoch, and a file already there is gone on from: it must
    be of the same four. `report` is told the updates done. Raises `InputError` for another net's checkpoint, fewer
    images than one batch, or a loss that is no longer a number.
    """
    keep_freed_memory()
    recipe = recipe or Recipe()
    run = _Run(net, dataset, recipe, seed)
    identity = json.dumps([net.to_json(), recipe.model_dump(), seed, dataset.fingerprint])
    if checkpoint and checkpoint.exists():
        state = load_state(checkpoint)
        if state["identity"] != identity:
            raise InputError(f"{checkpoint} is of another training run: name another folder or remove it")
        run.restore(state)
    with Prefetched(run.batches) as batches:
        while len(run.history) < recipe.epochs:
            run.epoch(batches, report)
            if checkpoint:
                save_state(checkpoint, {"identity": identity, **run.state()})
    plain = Batches(dataset.train, dataset, recipe.batch_size, seed, augment=False)
    module = recalibrate(run.ema.module, plain, min(CALIBRATION, len(dataset.train)))
    return Trained(module, top1(module, dataset.test, dataset), run.history)
