"""A network in training, with all that changes from update to update."""

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

import torch

from ..install import require
from ..nn.accelerator import autocast
from ..nn.build import Network, set_dropout
from ..nn.ranks import Ranks
from ..nn.sync_norm import synchronise
from .augment import deal
from .recipe import Recipe
from .transfer import frozen_blocks, set_training_mode

Objective = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Of images (N, 3, H, W), their logits (N, classes) and labels to a mean loss, a scalar."""

DROPPING = 5
"""What follows the seed in the key of the random numbers of an update; those of batches are in `augment`."""


class Trainee:
    """`module`, its optimiser, schedule and averaged weights (`ema`); `state` is what a resumed run needs of them.

    An update depends on the state, its batch, `seed` and its number alone. Each of `ranks` runs its rows of the batch;
    gradients are means over all of them, and so are the statistics of norms where these are `synchronised`. By default
    the loss is the recipe's.
    """

    def __init__(
        self,
        module: Network,
        recipe: Recipe,
        updates: int,
        seed: int,
        ranks: Ranks | None = None,
        objective: Objective | None = None,
        synchronised: bool = True,
    ) -> None:
        self.recipe, self.seed, self.ranks = recipe, seed, ranks or Ranks()
        self.device = self.ranks.device
        self.module = module.to(self.device)
        set_training_mode(self.module, frozen_blocks(self.module, recipe.freeze), recipe.norms)
        self.masks = set_dropout(self.module, recipe.dropout, recipe.drop_path)
        self.optimizer = recipe.make_optimizer(self.module)
        self.schedule = recipe.make_schedule(self.optimizer, updates)
        self.ema = require("timm.utils").ModelEmaV3(self.module, decay=recipe.ema, use_warmup=True)
        if synchronised and self.ranks.size > 1:
            synchronise(self.module, self.ranks)  # and not the averaged one, whose norms are run by one rank alone
        self.bfloat16 = None if recipe.precision == "auto" else recipe.precision == "bfloat16"
        loss = recipe.make_loss()
        self.objective = objective or (lambda images, logits, labels: loss(logits, labels))

    @property
    def precision(self) -> str:
        """What convolutions compute in here."""
        return "bfloat16" if autocast(self.device, self.bfloat16)._enabled else "float32"

    @property
    def lr(self) -> float:
        """The largest learning rate of the last update."""
        return max(float(group["lr"]) for group in self.optimizer.param_groups)

    def update(self, step: int, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One optimiser update, with number `step` from 0; the loss before it, the mean over all ranks. Where that is
        no number, nothing is changed."""
        self.schedule.step_update(step)
        self.optimizer.zero_grad()
        loss = self._backward(step, images, labels)
        if isfinite(loss):
            parameters = [part for group in self.optimizer.param_groups for part in group["params"]]
            self.ranks.average(parameters)
            if self.recipe.clip:
                torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
            self.optimizer.step()
            self.ema.update(self.module, step + 1)
        return loss

    def _backward(self, step: int, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Add up the gradients of all parts of the batch; the mean loss."""
        total = torch.zeros((), device=self.device)
        self.masks.key, self.masks.batch = (self.seed, DROPPING, step), len(images) * self.ranks.size
        for some, of_them, places in self._parts(images, labels):
            self.masks.rows = places
            with autocast(self.device, self.bfloat16):
                logits = self.module(some)
            loss = self.objective(some, logits.float(), of_them) * (len(some) / len(images))
            torch.autograd.backward(loss)
            total += loss.detach()
        return (self.ranks.mean(total) if self.ranks.size > 1 else total).item()

    def _parts(self, *rows: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
        """The rows of this rank in as many parts as they go through the network in, with where they are in the batch
        of all ranks."""
        places = torch.from_numpy(deal(self.masks.batch, self.ranks.rows, in_pairs=self.recipe.mixes))
        return zip(*(one.tensor_split(self.recipe.accumulation) for one in (*rows, places)), strict=True)

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        return all(bool(value.isfinite().all()) for value in self.module.state_dict().values())

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        parts = {"module": self.module, "ema": self.ema.module, "optimizer": self.optimizer}
        return {name: part.state_dict() for name, part in parts.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.module.load_state_dict(state["module"])
        self.ema.module.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
