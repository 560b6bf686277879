"""How a network is trained from scratch: one recipe for every network, made of timm's parts."""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch import nn

Share = Annotated[float, Field(ge=0, lt=1)]


class Recipe(BaseModel):
    """Cosine learning rate with a linear warm-up, label smoothing (1512.00567, §7) and averaged weights (EMA).

    `warmup` is a share of all updates, `shift` a share of the image (see `Batches`). `ema` is the decay of the average
    per update, reached gradually.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(8, ge=1)
    batch_size: int = Field(64, ge=2)
    optimizer: str = "nadamw"
    lr: float = Field(8e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup: Share = 0.1
    label_smoothing: Share = 0.1
    ema: Share = 0.99
    shift: Share = 0

    def make_optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """timm's optimiser; weight decay leaves norms and biases alone."""
        return create_optimizer_v2(module, self.optimizer, self.lr, self.weight_decay)

    def make_schedule(self, optimizer: torch.optim.Optimizer, updates: int) -> CosineLRScheduler:
        """timm's schedule over all `updates`: a function of the update's number, without state of its own."""
        warmup = round(self.warmup * updates)
        return CosineLRScheduler(optimizer, updates, warmup_t=warmup, warmup_lr_init=0, t_in_epochs=False)
