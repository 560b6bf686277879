"""Training one network from scratch, resumable after any epoch."""

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import DivergedError, InputError
from ..install import require
from ..nn.build import build
from ..nn.state import load_state, save_state
from ..progress import Report, silent
from ..space.net import Net
from .batches import Batches
from .data import Dataset
from .evaluate import recalibrate, top1
from .memory import keep_freed_memory
from .prefetch import Prefetched
from .recipe import Recipe, RecordedRecipe

CALIBRATION = 4096
"""Training images, at most, that the final BatchNorm statistics are taken over."""


@dataclass(frozen=True)
class Trained:
    """A trained `module` in eval mode, its top-1 (0 to 1) on the test split, and the mean loss of each epoch."""

    module: nn.Module
    top1: float
    history: list[float]


class _Training:
    """Everything that changes during training; `state` is what a resumed run needs."""

    def __init__(self, net: Net, dataset: Dataset, recipe: Recipe, seed: int) -> None:
        self.module = build(net, seed).train()
        self.batches = Batches(dataset.train, dataset, recipe.batch_size, seed, shift=recipe.shift)
        self.optimizer = recipe.make_optimizer(self.module)
        self.schedule = recipe.make_schedule(self.optimizer, recipe.epochs * self.batches.per_epoch)
        self.ema = require("timm.utils").ModelEmaV3(self.module, decay=recipe.ema, use_warmup=True)
        self.loss = recipe.make_loss()
        self.history: list[float] = []

    def run_epoch(self, batches: Prefetched, report: Report) -> None:
        """Pass over the training split once. Raises `DivergedError` where the loss is no longer a number."""
        first = len(self.history) * self.batches.per_epoch
        total = 0.0
        for step in range(first, first + self.batches.per_epoch):
            total += self.update(step, *batches(step))
            if not isfinite(total):
                raise self._diverged(total)
            report(step + 1, f"loss {total / (step + 1 - first):.3f}")
        self.history.append(total / self.batches.per_epoch)

    def update(self, step: int, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One optimiser update; returns the loss before it."""
        self.schedule.step_update(step)
        loss: torch.Tensor = self.loss(self.module(images), labels)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.ema.update(self.module, step + 1)
        return loss.item()

    def _diverged(self, loss: float) -> DivergedError:
        epoch, lr = len(self.history) + 1, self.optimizer.param_groups[0]["lr"]
        message = (
            f"training diverged in epoch {epoch}: the loss is {loss} at a learning rate of {lr:.3g}: use a smaller"
        )
        return DivergedError(message, code="training.diverged", epoch=epoch, lr=lr)

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        parts = {"module": self.module, "ema": self.ema.module, "optimizer": self.optimizer}
        return {"history": self.history, **{name: part.state_dict() for name, part in parts.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`, which was taken after a whole epoch."""
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

    With `checkpoint`, the state is written there after every epoch, and a file already there is resumed from: it must
    be of the same four. `report` gets the updates done. Raises `InputError` for another run's checkpoint
    ("training.other-run") and for fewer images than one batch ("training.batch-size"), and `DivergedError`
    ("training.diverged", fields `epoch` and `lr`) for a loss that is no longer a number: the checkpoint of the epoch
    before stays.
    """
    recipe = recipe or Recipe()
    run = _Training(net, dataset, recipe, seed)
    identity = _identity(net, dataset, recipe, seed)
    if checkpoint and checkpoint.exists():
        run.restore(_load_checkpoint(checkpoint, identity))
    with keep_freed_memory(), Prefetched(run.batches) as batches:
        while len(run.history) < recipe.epochs:
            run.run_epoch(batches, report)
            if checkpoint:
                save_state(checkpoint, {"identity": identity, **run.state()})
        plain = Batches(dataset.train, dataset, recipe.batch_size, seed, augment=False)
        module = recalibrate(run.ema.module, plain, min(CALIBRATION, len(dataset.train)))
        return Trained(module, top1(module, dataset.test, dataset), run.history)


def _identity(net: Net, dataset: Dataset, recipe: Recipe, seed: int) -> str:
    """What a run depends on, as JSON; the class of a recipe too where that is not ours."""
    values: list[Any] = [net.to_json(), recipe.model_dump(), seed, dataset.fingerprint]
    kind = type(recipe)
    return json.dumps(values if kind in (Recipe, RecordedRecipe) else [*values, kind.__qualname__])


def _load_checkpoint(path: Path, identity: str) -> dict[str, Any]:
    """The state in `path`. Raises `InputError` unless it is of the run of this `identity`."""
    state: dict[str, Any] = load_state(path)
    if json.loads(state["identity"]) != json.loads(identity):  # as JSON, since a share may be written as 0 or as 0.0
        raise InputError(
            f"{path} is of another training run: name another folder or remove it",
            code="training.other-run",
            path=path,
        )
    return state
