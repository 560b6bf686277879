"""How a network is trained: one recipe for every network, made of timm's parts."""

import logging
from typing import Annotated, Any, Literal, Protocol, Self

import torch
from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from torch import nn

from ..config import Config
from ..errors import InputError
from ..install import require
from ..nn.build import Network
from .transfer import Transfer, parameter_groups

logger = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, lt=1)]


def _numbers(value: Any) -> Any:
    """Two numbers as a command line writes them, "0.08,1", as a list; "none" as None."""
    if not isinstance(value, str):
        return value
    return None if value.strip().lower() in ("", "none") else [part.strip() for part in value.split(",")]


Pair = Annotated[tuple[float, float], BeforeValidator(_numbers)]
OptionalPair = Annotated[tuple[float, float] | None, BeforeValidator(_numbers)]


class LearningRates(Protocol):
    """A schedule that sets the learning rates of an optimiser."""

    def step_update(self, num_updates: int) -> None:
        """Set the rates of update `num_updates`, counted from 0."""
        ...


class Augmentation(Config):
    """What is done to a training image before it is shown, in the order in which it is done; by default nothing.

    Validation and test images are never augmented.
    """

    crop: OptionalPair = Field(
        default=None,
        description="Share of an image's area, from and to, that a random crop has (1409.4842); none: the whole image.",
    )
    crop_ratio: Pair = Field(default=(3 / 4, 4 / 3), description="Width over height of a random crop, from and to.")
    shift: Share = Field(default=0, description="Share of their size by which images are shifted at most.")
    mirror: bool = Field(default=False, description="Whether half of the images are mirrored, left to right.")
    policy: str = Field(
        default="",
        description="Random operations: timm's words, as rand-m9-mstd0.5 (1909.13719) or augmix-m3-w3 (1912.02781), "
        "or trivial (2103.10158).",
    )
    jitter: float = Field(
        default=0, ge=0, lt=1, description="Share by which brightness, contrast and saturation change at most."
    )
    erasing: Share = Field(default=0, description="Share of the images that lose a random box (1708.04896).")
    mixup: float = Field(default=0, ge=0, description="α of mixup (1710.09412); 0: none.")
    cutmix: float = Field(default=0, ge=0, description="α of cutmix (1905.04899); 0: none. With mixup: one of both.")
    mixing: float = Field(default=1, ge=0, le=1, description="Share of the batches that are mixed, where any are.")

    @property
    def mixes(self) -> bool:
        """Whether batches have labels that are shares of classes, float32 (batch, classes)."""
        return bool((self.mixup or self.cutmix) and self.mixing)

    @property
    def moves_only(self) -> bool:
        """Whether images are at most shifted and mirrored, which needs no decoder and no library."""
        return not (self.crop or self.policy or self.jitter or self.erasing or self.mixes)

    @model_validator(mode="after")
    def _require_fitting_crop(self) -> Self:
        for name, pair, top in (("crop", self.crop, 1.0), ("crop_ratio", self.crop_ratio, float("inf"))):
            if pair is not None and not 0 < pair[0] <= pair[1] <= top:
                raise InputError(f"{name} goes from a number above 0 up to one of at most {top:g}, not {pair}: "
                                 "give them as 0.08,1", code="config.value", key=name, value=pair)  # fmt: skip
        if self.crop and self.shift:
            raise InputError("crop moves images by more than shift does: set one of them (crop=none, or shift=0)",
                             code="config.contradiction", key="shift", value=self.shift, other=self.crop)  # fmt: skip
        return self


class Recipe(Augmentation, Transfer):
    """Optimiser, schedule, loss and regularisation, beside the augmentation; by default those of `quick`.

    Cosine learning rate with a linear warm-up, label smoothing (1512.00567, §7) and averaged weights (EMA). A recipe of
    another optimiser, schedule or loss is a subclass that overrides the method which makes it. Both schedule and loss
    must be without state of their own: a resumed run makes new ones.
    """

    epochs: int = Field(default=8, ge=1, le=10**6, description="Passes over the training images.")
    batch_size: int = Field(default=64, ge=2, description="Images of an update.")
    accumulation: int = Field(
        default=1, ge=1, description="Parts that the images of an update go through the network in, to save memory."
    )
    optimizer: str = Field(default="nadamw", description="Name of timm's optimiser.")
    lr: float = Field(default=8e-3, gt=0, allow_inf_nan=False, description="Largest learning rate.")
    weight_decay: float = Field(default=0.05, ge=0, description="Weight decay, of all but norms and biases.")
    momentum: Share = Field(default=0.9, description="Momentum, of an optimiser that has one of that name.")
    eps: float | None = Field(default=None, gt=0, description="ε of the optimiser; none: its own.")
    betas: OptionalPair = Field(default=None, description="β₁ and β₂ of the optimiser; none: its own.")
    schedule: Literal["cosine", "step"] = Field(
        default="cosine", description="How the learning rate falls: as a cosine to min_lr, or in steps."
    )
    warmup: Share = Field(default=0.1, description="Share of the updates over which the learning rate rises.")
    warmup_epochs: float | None = Field(default=None, ge=0, description="The same in epochs, in place of the share.")
    warmup_lr: float = Field(default=0, ge=0, description="Learning rate that it rises from.")
    min_lr: float = Field(default=0, ge=0, description="Learning rate at the end of a cosine.")
    decay_rate: float = Field(default=0.97, gt=0, le=1, description="What each step multiplies the learning rate by.")
    decay_epochs: float = Field(default=2.4, gt=0, description="Epochs between two steps.")
    label_smoothing: Share = Field(default=0.1, description="Share of a label that goes to the other classes.")
    ema: Share = Field(default=0.99, description="Decay of the averaged weights per update, reached gradually.")
    clip: float = Field(default=0, ge=0, description="Largest norm of the gradients of an update; 0: any.")
    dropout: Share = Field(default=0, description="Share of the last features that are dropped (1207.0580).")
    drop_path: Share = Field(
        default=0, description="Share of the images that the last residual block is left out of (1603.09382)."
    )
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        default="float32", description="What convolutions compute in; auto: bfloat16 on a GPU that has it."
    )

    @model_validator(mode="after")
    def _require_whole_parts(self) -> Self:
        if self.batch_size < 2 * self.accumulation:
            raise InputError(
                f"a batch of {self.batch_size} in {self.accumulation} parts leaves less than 2 images for each, "
                "of which there are no statistics: use fewer parts",
                code="config.value", key="accumulation", value=self.accumulation,
            )  # fmt: skip
        if self.mixes and self.batch_size % 2:
            raise InputError(f"images are mixed in pairs: a batch of {self.batch_size} is odd, give an even one",
                             code="config.value", key="batch_size", value=self.batch_size)  # fmt: skip
        return self

    def for_images(self, count: int) -> Self:
        """The recipe for `count` training images: of fewer than a batch, a batch is all of them, which is told.

        Raises `InputError` ("training.batch-size") where these are too few for its parts.
        """
        if self.batch_size <= count:
            return self
        batch = count - count % 2 if self.mixes else count
        if batch < 2 * self.accumulation:
            raise InputError(f"{count} training images are too few for a batch in {self.accumulation} parts",
                             code="training.batch-size", batch_size=self.batch_size, images=count)  # fmt: skip
        logger.warning("a batch is %d images instead of %d: there are no more to train on", batch, self.batch_size)
        return self.model_copy(update={"batch_size": batch})

    def make_optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """timm's optimiser; weight decay leaves norms and biases alone.

        Raises `InputError` for a name that timm does not have ("training.optimizer"), and for an ε or β that the
        optimiser does not have ("training.optimizer-setting").
        """
        timm = require("timm.optim")
        try:
            has = timm.get_optimizer_info(self.optimizer)
        except ValueError:
            raise InputError(f"timm has no optimiser {self.optimizer}: name one of timm.optim.list_optimizers()",
                             code="training.optimizer", optimizer=self.optimizer) from None  # fmt: skip
        given = {name: value for name, value in (("eps", self.eps), ("betas", self.betas)) if value is not None}
        for name in given:
            if not getattr(has, f"has_{name}"):
                raise InputError(f"the optimiser {self.optimizer} has no {name}: leave it at none",
                                 code="training.optimizer-setting", optimizer=self.optimizer, key=name)  # fmt: skip
        trained: Any = module
        if isinstance(module, Network) and not self.one_rate:
            trained = parameter_groups(module, self.weight_decay, self.body_lr, self.layer_decay)
        optimizer: torch.optim.Optimizer = timm.create_optimizer_v2(
            trained, self.optimizer, self.lr, self.weight_decay, momentum=self.momentum, **given
        )
        return optimizer

    def make_schedule(self, optimizer: torch.optim.Optimizer, updates: int) -> LearningRates:
        """timm's schedule over all `updates`: a function of the update's number alone."""
        schedulers, of_an_epoch = require("timm.scheduler"), updates / self.epochs
        warmup = round(self.warmup * updates if self.warmup_epochs is None else self.warmup_epochs * of_an_epoch)
        rise = {"warmup_t": warmup, "warmup_lr_init": self.warmup_lr, "t_in_epochs": False}
        schedule: LearningRates
        if self.schedule == "cosine":
            schedule = schedulers.CosineLRScheduler(optimizer, updates, lr_min=self.min_lr, **rise)
        else:
            steps = {"decay_t": self.decay_epochs * of_an_epoch, "decay_rate": self.decay_rate}
            schedule = schedulers.StepLRScheduler(optimizer, **steps, **rise, warmup_prefix=False)
        return schedule

    def make_loss(self) -> nn.Module:
        """Of logits (N, classes) and labels to their mean loss, a scalar. Labels are int64 (N,), or where images are
        mixed shares of classes, float32 (N, classes), which are smoothed already."""
        losses = require("timm.loss")
        loss: nn.Module = (
            losses.SoftTargetCrossEntropy() if self.mixes else losses.LabelSmoothingCrossEntropy(self.label_smoothing)
        )
        return loss


class RecordedRecipe(Recipe):
    """The values of a recipe as a file has them, which may be of a subclass that is not here."""

    model_config = ConfigDict(extra="allow")
