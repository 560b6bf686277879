"""The loop of a training: updates, epochs, validation, checkpoints, and what is kept at the end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from time import monotonic
from typing import Any, Protocol

import torch
from torch import nn

from ..errors import DivergedError, InputError
from ..nn.build import Network
from ..nn.ranks import Ranks
from ..progress import Report, silent
from .augment import make_batches
from .batches import Batches
from .checkpoints import Saving
from .data import Dataset
from .evaluate import CALIBRATION, QUICK_CALIBRATION, recalibrate
from .metrics import Metrics, measure
from .origins import Begun
from .recipe import Recipe
from .splits import Images
from .trainee import Objective, Trainee
from .transfer import kept_norms


class Events(Protocol):
    """Takes figures as they come, and writes them when a checkpoint is written."""

    def add(self, step: int, **figures: float) -> None:
        """Figures after `step` updates, each under its name; the __ in one is a / in the file."""
        ...

    def write(self) -> None:
        """Write what was added."""
        ...


@dataclass(frozen=True)
class Trained:
    """A trained `module` in eval mode, how well it does on the test split, and how it came about.

    `history` is the mean loss of each epoch, and `validation_history` top-1 (0 to 1) on the validation split after it.
    The weights are those after `epoch` epochs: the best by validation, the later of two that are as good, or without a
    validation split the last. `last` are those after all epochs, None where they are the same. `used` is what the
    configuration does not say: counts, the optimiser's own constants, and the branch of each automatic choice. `begun`
    is what the weights began with, None where they were drawn.
    """

    module: nn.Module
    test: Metrics
    history: list[float]
    validation: Metrics | None = None
    validation_history: list[float] = field(default_factory=list)
    epoch: int = 0
    last: Mapping[str, torch.Tensor] | None = None
    used: Mapping[str, Any] = field(default_factory=dict)
    begun: Begun | None = None

    @property
    def top1(self) -> float:
        """Share of the test images that are put in their class, 0 to 1."""
        return self.test.top1


class Loop:
    """One training: where it stands (`step` updates are done), and what it has found so far."""

    def __init__(
        self,
        module: Network,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        validation: Images | None = None,
        ranks: Ranks | None = None,
        objective: Objective | None = None,
        synchronised: bool = True,
    ) -> None:
        self.dataset, self.recipe, self.validation, self.ranks = dataset, recipe, validation, ranks or Ranks()
        require_even(recipe, self.ranks.size)
        self.batches = make_batches(dataset.train, dataset, recipe, seed, self.ranks.rows)
        self.plain = Batches(dataset.train, dataset, recipe.batch_size, seed, augment=False)
        self.updates = recipe.epochs * self.batches.per_epoch
        self.trainee = Trainee(module, recipe, self.updates, seed, self.ranks, objective, synchronised)
        self.step, self.total = 0, 0.0
        self.history: list[float] = []
        self.validation_history: list[float] = []
        self.best: dict[str, Any] | None = None

    def run(
        self,
        batches: Callable[[int], tuple[torch.Tensor, torch.Tensor]],
        saving: Saving | None = None,
        events: Events | None = None,
        report: Report = silent,
    ) -> None:
        """Do all updates that are left. Raises `DivergedError`."""
        saving = saving or Saving(None)
        begun, first = monotonic(), self.step
        while self.step < self.updates:
            loss = self.trainee.update(self.step, *batches(self.step))
            if not isfinite(loss):
                raise self._diverged(f"the loss is {loss}", saving)
            self.step, self.total = self.step + 1, self.total + loss
            rate = (self.step - first) * self.recipe.batch_size / max(monotonic() - begun, 1e-9)
            if events:
                events.add(self.step, train__loss=loss, train__lr=self.trainee.lr, train__images_a_second=rate)
            epoch, place = divmod(self.step - 1, self.batches.per_epoch)
            mean, ended = self.total / (place + 1), place + 1 == self.batches.per_epoch
            report(self.step, f"epoch {epoch + 1}, loss {mean:.3f}, {rate:.0f} images/s")
            if ended:
                self._end_epoch(events)
            if ended or saving.due():
                self._save(saving, events)

    def _end_epoch(self, events: Events | None) -> None:
        """Note the mean loss, and what the averaged weights are worth on the validation split."""
        self.history.append(self.total / self.batches.per_epoch)
        self.total = 0.0
        if self.validation is None:
            return
        module = self._recalibrated(QUICK_CALIBRATION)
        found = measure(module, self.validation, self.dataset)
        self.validation_history.append(found.top1)
        if events:
            events.add(self.step, validation__top1=found.top1, validation__loss=found.loss)
        if self.best is None or found.top1 >= self.best["top1"]:
            weights = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
            self.best = {"epoch": len(self.history), "top1": found.top1, "module": weights}

    def _save(self, saving: Saving, events: Events | None) -> None:
        """Write a checkpoint, if one is wanted, unless the weights are no longer numbers."""
        if not saving.path:
            return
        if not self.trainee.is_finite():
            raise self._diverged("weights are no longer numbers", saving)
        if not self.ranks.main:
            return
        saving.save(self.state())
        if events:
            events.write()

    def _diverged(self, what: str, saving: Saving) -> DivergedError:
        epoch, lr = self.step // self.batches.per_epoch + 1, self.trainee.lr
        kept = f"; {saving.path} has the state before" if saving.path and saving.path.exists() else ""
        return DivergedError(
            f"training diverged in epoch {epoch}, at update {self.step + 1}: {what} at a learning rate of {lr:.3g}: "
            f"use a smaller one (--set lr={lr / 4:.2g}){kept}",
            code="training.diverged", epoch=epoch, step=self.step, lr=lr,
        )  # fmt: skip

    def result(self) -> Trained:
        """The weights that are kept, with the statistics and the figures of the end."""
        module, last = self.trainee.ema.module, None
        if self.best is not None and self.best["epoch"] != self.recipe.epochs:
            self._recalibrated(CALIBRATION)
            last = {name: value.cpu().clone() for name, value in module.state_dict().items()}
            module.load_state_dict(self.best["module"])
        self._recalibrated(CALIBRATION)
        return Trained(
            module.cpu(),
            measure(module, self.dataset.test, self.dataset),
            self.history,
            None if self.validation is None else measure(module, self.validation, self.dataset),
            self.validation_history,
            self.recipe.epochs if self.best is None else self.best["epoch"],
            last,
            self._used(),
        )

    def _recalibrated(self, most: int) -> nn.Module:
        """The averaged weights with statistics of their own over `most` training images, but for what is frozen."""
        module = self.trainee.ema.module
        return recalibrate(module, self.plain, min(most, len(self.dataset.train)), kept_norms(module, self.recipe))

    def _used(self) -> dict[str, Any]:
        """See `Trained.used`."""
        own = {name: list(value) if isinstance(value, tuple) else value
               for name, value in self.trainee.optimizer.defaults.items()
               if _is_plain(value) and name not in ("lr", "weight_decay")}  # fmt: skip
        return {
            "training_images": len(self.dataset.train),
            "batch_size": self.recipe.batch_size,
            "updates": self.updates,
            "updates_an_epoch": self.batches.per_epoch,
            "calibration_images": min(CALIBRATION, len(self.dataset.train)),
            "ranks": self.ranks.size,
            "device": str(self.ranks.device),
            "threads": torch.get_num_threads(),
            "precision": self.trainee.precision,
            "kept": "last" if self.best is None else "best by validation",
            "optimizer": own,
        }

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        names = ("step", "total", "history", "validation_history", "best")
        return {**{name: getattr(self, name) for name in names}, **self.trainee.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`. That of an earlier version was taken after a whole epoch, and says so by its history."""
        self.history = state["history"]
        self.step = state.get("step", len(self.history) * self.batches.per_epoch)
        self.total, self.best = state.get("total", 0.0), state.get("best")
        self.validation_history = state.get("validation_history", [])
        self.trainee.restore(state)


def require_even(recipe: Recipe, ranks: int) -> None:
    """Raise `InputError` ("training.uneven-batch") where ranks would have different numbers of rows."""
    unit = ranks * recipe.accumulation * (2 if recipe.mixes else 1)
    if ranks > 1 and recipe.batch_size % unit:
        raise InputError(
            f"a batch of {recipe.batch_size} images cannot be dealt out evenly to {ranks} ranks, in parts and pairs "
            f"as the recipe says: give a multiple of {unit}",
            code="training.uneven-batch", batch_size=recipe.batch_size, ranks=ranks,
        )  # fmt: skip


def _is_plain(value: object) -> bool:
    """Whether JSON can say it."""
    return value is None or isinstance(value, bool | int | float | str | tuple | list)
