"""How a network is trained from scratch: one recipe for every network, made of timm's parts."""

from typing import Annotated, Protocol

import torch
from pydantic import ConfigDict, Field
from torch import nn

from ..config import Config
from ..install import require
from ..references import resolve

Share = Annotated[float, Field(ge=0, lt=1)]


class LearningRates(Protocol):
    """A schedule that sets the learning rates of an optimiser."""

    def step_update(self, num_updates: int) -> None:
        """Set the rates of update `num_updates`, counted from 0."""
        ...


class Recipe(Config):
    """Cosine learning rate with a linear warm-up, label smoothing (1512.00567, §7) and averaged weights (EMA).

    A recipe of another optimiser, schedule or loss is a subclass that overrides the method which makes it. Both
    schedule and loss must be without state of their own: a resumed run makes new ones.
    """

    epochs: int = Field(default=8, ge=1, description="Passes over the training images.")
    batch_size: int = Field(default=64, ge=2, description="Images of an update.")
    optimizer: str = Field(default="nadamw", description="Name of timm's optimiser.")
    lr: float = Field(default=8e-3, gt=0, description="Largest learning rate.")
    weight_decay: float = Field(default=0.05, ge=0, description="Weight decay, of all but norms and biases.")
    warmup: Share = Field(default=0.1, description="Share of the updates over which the learning rate rises.")
    label_smoothing: Share = Field(default=0.1, description="Share of a label that goes to the other classes.")
    ema: Share = Field(default=0.99, description="Decay of the averaged weights per update, reached gradually.")
    shift: Share = Field(default=0, description="Share of their size by which images are shifted at most.")

    def make_optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """timm's optimiser; weight decay leaves norms and biases alone."""
        optimizer: torch.optim.Optimizer = require("timm.optim").create_optimizer_v2(
            module, self.optimizer, self.lr, self.weight_decay
        )
        return optimizer

    def make_schedule(self, optimizer: torch.optim.Optimizer, updates: int) -> LearningRates:
        """timm's schedule over all `updates`: a function of the update's number alone."""
        warmup = round(self.warmup * updates)
        schedule: LearningRates = require("timm.scheduler").CosineLRScheduler(
            optimizer, updates, warmup_t=warmup, warmup_lr_init=0, t_in_epochs=False
        )
        return schedule

    def make_loss(self) -> nn.Module:
        """Of logits (N, classes) and labels (N,) to their mean loss, a scalar."""
        loss: nn.Module = require("timm.loss").LabelSmoothingCrossEntropy(self.label_smoothing)
        return loss


class RecordedRecipe(Recipe):
    """The values of a recipe as a file has them, which may be of a subclass that is not here."""

    model_config = ConfigDict(extra="allow")


DEFAULT = "cosine"
RECIPES: dict[str, Recipe | str] = {DEFAULT: Recipe()}
"""Recipes by name."""


def get(reference: str, *, trusted: bool) -> Recipe:
    """The recipe of `reference`, which is a `Recipe` or a class of them. Raises as `references.resolve`."""

    def accepts(value: object) -> bool:
        return isinstance(value, Recipe) or (isinstance(value, type) and issubclass(value, Recipe))

    found: Recipe | type[Recipe] = resolve("recipes", reference, RECIPES, trusted=trusted, accepts=accepts).value
    return found() if isinstance(found, type) else found
