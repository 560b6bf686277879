"""Run a strategy: shared weights and architecture parameters in turn, resumable at any step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from ..errors import InputError
from ..interrupt import deferred_interrupt
from ..nn.accelerator import autocast, compile_blocks
from ..nn.optimizer import sgd
from ..nn.ranks import Ranks
from ..nn.state import load_state, save_state
from ..nn.supernet import Gate, Supernet, one_hot
from ..nn.sync_norm import synchronise
from ..progress import Report, silent
from .base import Relaxation
from .objective import SteeredLatency

Batch = Callable[[int], tuple[torch.Tensor, torch.Tensor]]
"""Step number to (images (N, 3, H, W), labels (N,)), on the supernet's device: always the same for a step. Each of
several ranks has its rows of it, equally many."""


class Cost(Protocol):
    """What an architecture costs on the device."""

    def expected(self, probs: torch.Tensor) -> torch.Tensor:
        """Expected latency in ms under `probs`, shape (slots, widest slot); differentiable."""
        ...


class Schedule(BaseModel):
    """How long to search and how fast to learn, in steps of one batch.

    Published (1812.00332, appendix, for ImageNet): 40 epochs of warm-up and then 120, an architecture step every 5
    weight steps, Adam at 1e-3, SGD with Nesterov momentum at 0.025, decay 4e-5, label smoothing 0.1. A search of
    minutes has a hundredth of the steps: it takes an architecture step after every weight step, and a larger rate for
    the weights. `arch_lr` replaces the strategy's own rate.

    `batch_size` is of all ranks together; with `synchronised`, so are the statistics of BatchNorm. `bfloat16` is as
    `autocast` takes it; with `compiled`, blocks are (`compile_blocks`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    warmup_steps: int = Field(default=3000, ge=0)
    steps: int = Field(default=3000, ge=1)
    batch_size: int = Field(default=32, ge=2)
    weight_steps_per_arch_step: int = Field(default=1, ge=1)
    lr: float = Field(default=0.1, gt=0)
    arch_lr: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=4e-5, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    checkpoint_seconds: float = Field(default=10.0, ge=0)
    bfloat16: bool | None = None
    synchronised: bool = False
    compiled: bool = False

    @property
    def arch_steps(self) -> int:
        """Number of steps of the architecture."""
        return max(1, self.steps // self.weight_steps_per_arch_step)

    @property
    def total(self) -> int:
        """Number of steps of the shared weights."""
        return self.warmup_steps + self.steps


class RelaxationLoop:
    """The alternation of 1812.00332, §3.2: weights on training images, architecture on held-out ones.

    A step of the weights runs and updates one sampled path; the warm-up draws its paths from the initial
    probabilities, which are uniform but for their initial noise. Everything that a step depends on is in
    `state_dict`, so a run that was cut off and resumed ends exactly as an undisturbed one.

    Several `ranks` take every step together, on the joined batch: they draw the same architectures, and the gradients
    of what they ran are averaged. Any number of ranks can go on from the checkpoint of any other. What is moved is on
    the device of `supernet`; the strategy, which is small, stays on the CPU.
    """

    def __init__(
        self,
        supernet: Supernet,
        strategy: Relaxation,
        objective: SteeredLatency,
        cost: Cost,
        schedule: Schedule,
        weight_batch: Batch,
        arch_batch: Batch,
        ranks: Ranks | None = None,
    ) -> None:
        self.ranks, self.device = ranks or Ranks(), next(supernet.parameters()).device
        self.supernet, self.strategy, self.objective = supernet.train(), strategy, objective
        self.cost, self.schedule = cost, schedule
        self.weight_batch, self.arch_batch = weight_batch, arch_batch
        norms = {id(p) for m in supernet.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
        groups = [
            {"params": [p for p in supernet.parameters() if id(p) not in norms], "weight_decay": schedule.weight_decay},
            {"params": [p for p in supernet.parameters() if id(p) in norms], "weight_decay": 0.0},
        ]
        self.optimizer = sgd(groups, schedule.lr)
        self.ranks.average_before(self.optimizer)
        if schedule.synchronised and self.ranks.size > 1:
            synchronise(supernet, self.ranks)
        if schedule.compiled:
            compile_blocks(supernet)
        self.rate = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, schedule.total)
        self.criterion = nn.CrossEntropyLoss(label_smoothing=schedule.label_smoothing)
        self.done = 0

    def weight_step(self, step: int) -> float:
        """Train the weights of one sampled path; the rest keep no gradient, so the optimiser does not touch them."""
        path = self.strategy.path()
        self.ranks.agree("the path drawn", path)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(self.weight_batch(step), one_hot(path))
        loss.backward()
        self.optimizer.step()
        self.rate.step()
        return float(loss.detach())

    def arch_step(self, step: int) -> None:
        """Move the architecture parameters by held-out loss and latency, and steer the latency's multiplier."""
        gates = self.strategy.gates()
        drawn = [(gate.indices, gate.weights.tolist() if gate.weights is not None else None) for gate in gates]
        self.ranks.agree("what the gates open", drawn)
        accuracy_loss = self._loss(self.arch_batch(step), self._spread(gates))
        self.strategy.step(accuracy_loss + self.objective.loss(self.cost.expected(self.strategy.probs())))
        self.objective.steer(self.expected_ms())

    def _loss(self, batch: tuple[torch.Tensor, torch.Tensor], gates: Sequence[Gate]) -> torch.Tensor:
        """The loss on the joined batch, of which this rank has `batch`."""
        images, labels = batch
        with autocast(self.device, self.schedule.bfloat16):
            logits = self.supernet(images, gates)
        return self.ranks.averaged(self.criterion(logits.float(), labels))

    def _spread(self, gates: Sequence[Gate]) -> tuple[Gate, ...]:
        """`gates` on this rank's device, with the gradient of the joined batch: one message for all of them."""
        sizes = [0 if gate.weights is None else len(gate.weights) for gate in gates]
        weights = torch.cat([gate.weights for gate in gates if gate.weights is not None])
        parts = self.ranks.spread(weights.to(self.device)).split(sizes)
        return tuple(
            replace(gate, weights=part) if len(part) else gate for gate, part in zip(gates, parts, strict=True)
        )

    def expected_ms(self) -> float:
        """Expected latency under the present probabilities."""
        return float(self.cost.expected(self.strategy.distribution()))

    def run(self, checkpoint: Path, report: Report = silent) -> None:
        """Go on from `checkpoint` if it exists, to the end. Ctrl-C, on any rank, saves one more checkpoint and is
        raised again on all of them. Only the main rank reads and writes the file. Raises `InputError` where that is of
        another search."""
        self._resume(checkpoint)
        saved, stop = time.monotonic(), False
        with deferred_interrupt() as interrupted:
            while self.done < self.schedule.total and not stop:
                self.step(report)
                stop = self.ranks.any(interrupted())
                if time.monotonic() - saved > self.schedule.checkpoint_seconds:
                    self._save(checkpoint)
                    saved = time.monotonic()
            self._save(checkpoint)
            if stop:
                raise KeyboardInterrupt

    def _resume(self, checkpoint: Path) -> None:
        """Go on from `checkpoint`, if it exists."""
        with self.ranks.together():
            state = load_state(checkpoint) if self.ranks.main and checkpoint.exists() else None
        if (state := self.ranks.same(state)) is None:
            return
        with self.ranks.together():
            try:
                self.load_state_dict(state)
            except (KeyError, RuntimeError, TypeError, ValueError):  # torch's words are a list of all its names
                raise InputError(f"{checkpoint} is of another search or version: remove it to start again") from None

    def _save(self, checkpoint: Path) -> None:
        if self.ranks.main:
            save_state(checkpoint, self.state_dict())

    def step(self, report: Report) -> None:
        """One step of the weights and, past the warm-up and where it is due, one of the architecture."""
        loss = self.weight_step(self.done)
        self.done += 1
        searched = self.done - self.schedule.warmup_steps
        if searched > 0 and searched % self.schedule.weight_steps_per_arch_step == 0:
            self.arch_step(searched // self.schedule.weight_steps_per_arch_step - 1)
        phase = "search" if searched > 0 else "warm-up"
        report(self.done, f"{phase}: loss {loss:.2f}, expected {self.expected_ms():.3f} ms")

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""
        parts = ("supernet", "strategy", "objective", "optimizer", "rate")
        return {"done": self.done, **{name: getattr(self, name).state_dict() for name in parts}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.done = state["done"]
        for name in ("supernet", "strategy", "objective", "optimizer", "rate"):
            getattr(self, name).load_state_dict(state[name])
