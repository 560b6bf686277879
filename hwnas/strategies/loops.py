"""Train shared weights, and a strategy while they learn, resumable at any step."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

from torch import nn

from ..errors import DivergedError, InputError
from ..nn.accelerator import compile_blocks
from ..nn.optimizer import sgd
from ..nn.ranks import Ranks
from ..nn.supernet import Supernet
from ..nn.sync_norm import synchronise
from ..progress import Report, silent
from .base import Learner, TrainingPaths
from .objectives import Loss, Reward
from .path_samplers.base import PathSampler
from .resumable import History, Resumable, discard
from .schedule import Schedule
from .step import Latency, Stopwatch, SupernetStep
from .weights import Batch, SharedWeights, weight_step

__all__ = ["Batches", "LearnerSetup", "Schedule", "SharedLoop"]

Batches = Callable[[int], Batch]
"""Step number to this rank's rows of the batch of that step: always the same."""


@dataclass(frozen=True)
class LearnerSetup:
    """A `learner` and what its architecture steps need: the objective, the latencies and their target, and batches of
    validation images. A single-level learner has those of the weights instead."""

    learner: Learner
    objective: Loss | Reward
    cost: Latency
    target_ms: float
    batches: Batches


class SharedLoop(Resumable):
    """Steps of the shared weights, and after the warm-up steps of a learner between them (1812.00332, §3.2).

    What a step of the weights trains is said by `paths`: a path sampler, as of one-shot methods, or the learner of a
    `LearnerSetup`. The architecture learns on batches of its own; a single-level learner in the very steps of the
    weights. The multiplier of a `Loss` is updated after every architecture step by the expected latency that it led to.

    Everything that a step depends on is in `state_dict`, so a run that was cut off and resumed ends exactly as an
    undisturbed one; also under a longer schedule than it began with, for all that depends on the schedule is a
    function of the step. Several `ranks` take every step together, on the batch of all ranks: they sample the same
    architectures, and gradients are averaged. Any number of ranks can go on from the checkpoint of any other. What is
    moved is on the device of `supernet`; the learner, which is small, stays on the CPU.

    Raises `InputError` for a schedule that a single-level learner cannot follow, and for several ranks of a learner
    with `single_process`. A step whose loss or scores are no finite numbers raises `DivergedError`.
    """

    def __init__(
        self,
        supernet: Supernet,
        paths: PathSampler | LearnerSetup,
        schedule: Schedule,
        weight_batch: Batches,
        ranks: Ranks | None = None,
        history: History = discard,
    ) -> None:
        self.ranks, self.schedule, self.history = ranks or Ranks(), schedule, history
        self.supernet, self.paths, self.weight_batch = supernet.train(), paths, weight_batch
        self.setup = paths if isinstance(paths, LearnerSetup) else None
        self.single_level = self.setup is not None and self.setup.learner.single_level
        if self.single_level and schedule.weight_steps_per_arch_step > 1:
            raise InputError(
                "this strategy learns in every step of the weights: leave weight_steps_per_arch_step at 1",
                code="strategies.single-level",
                weight_steps_per_arch_step=schedule.weight_steps_per_arch_step,
            )
        if self.ranks.size > 1 and self.setup is not None and self.setup.learner.single_process:
            raise InputError(
                "this strategy takes gradients of the weights itself: search in one process",
                code="strategies.single-process",
                ranks=self.ranks.size,
            )
        criterion = nn.CrossEntropyLoss(label_smoothing=schedule.label_smoothing)
        self.shared = SharedWeights(supernet, criterion, self.ranks, schedule.bfloat16)
        self.optimizer = sgd(_groups(supernet, schedule.weight_decay), schedule.lr)
        self.ranks.average_before(self.optimizer)
        if schedule.synchronised and self.ranks.size > 1:
            synchronise(supernet, self.ranks)
        if schedule.compiled:
            compile_blocks(supernet)
        self.total, self.checkpoint_seconds = schedule.total, schedule.checkpoint_seconds
        self.done, self.seconds, self.own = 0, 0.0, 0.0
        self._present = 1, schedule.lr  # the step that is being taken, and its learning rate
        self._expected: float | None = None

    @property
    def overhead(self) -> float:
        """Share of the time that went into the strategy itself: not the supernet, nor what latencies are."""
        return self.own / self.seconds if self.seconds else 0.0

    def expected_ms(self) -> float:
        """Expected latency under the learner's present probabilities; NaN without a learner."""
        if self.setup is None:
            return nan
        if self._expected is None:
            self._expected = float(self.setup.cost.expected(self.setup.learner.distribution()))
        return self._expected

    def step(self, report: Report = silent) -> None:
        """One step of the weights and, past the warm-up and where it is due, one of the architecture."""
        started = time.perf_counter()
        self._present = self.done + 1, self.schedule.rate(self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(self.done)
        setup = self.setup if self.done >= self.schedule.warmup_steps else None
        if setup is not None and self.single_level:
            loss = self.joint_step(setup, self.done)
        else:
            loss = self.weight_step(self.done)
        self._require_finite("loss", loss)
        self.done += 1
        searched, every = self.done - self.schedule.warmup_steps, self.schedule.weight_steps_per_arch_step
        if setup is not None and not self.single_level and searched % every == 0:
            self.arch_step(setup, searched // every - 1)
        self.seconds += time.perf_counter() - started
        if report is not silent:  # what is expected takes a controller as long as a step of its own
            report(self.done, self._describe(loss, searching=setup is not None))

    def weight_step(self, step: int) -> float:
        """Train the weights by the paths of `step`; the loss of the first path before that."""
        return weight_step(self.shared, self.optimizer, self._training_paths(step), self.weight_batch(step))

    def arch_step(self, setup: LearnerSetup, step: int) -> None:
        """Step `step` of the architecture, by validation images."""
        self._learn(setup, step, setup.batches(step), lambda: self.weight_batch(self.done))

    def joint_step(self, setup: LearnerSetup, step: int) -> float:
        """Step `step` of the weights, by the gradients that a single-level learner leaves in them; its last loss."""
        batch = self.weight_batch(step)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._learn(setup, step - self.schedule.warmup_steps, batch, lambda: batch)
        self.optimizer.step()
        return loss

    def _training_paths(self, step: int) -> TrainingPaths:
        progress, started = step / self.schedule.total, time.perf_counter()
        if isinstance(self.paths, LearnerSetup):
            training_paths = self.paths.learner.training_paths(progress)
        else:
            self.paths.prepare(self.supernet, progress)
            training_paths = self.paths.training_paths(progress, step)
        self.own += time.perf_counter() - started
        return training_paths

    def _learn(self, setup: LearnerSetup, step: int, batch: Batch, training: Callable[[], Batch]) -> float:
        """Step `step` of the learner; the last loss that it saw."""
        progress, rate = step / self.schedule.arch_steps, self.schedule.rate(self.done)
        arch_step = SupernetStep(
            self.shared, setup.objective, setup.cost, setup.target_ms, batch, training, progress, rate
        )
        watch = Stopwatch(self.shared.device)
        with watch.running():
            scored = setup.learner.learn(arch_step)
        self.own += watch.seconds - arch_step.watch.seconds
        self._expected = None
        for arch, score in scored:
            self._require_finite(f"score of {list(arch)}", score)
        if isinstance(setup.objective, Loss):
            setup.objective.update_multiplier(self.expected_ms(), setup.target_ms)
        for arch, score in scored if self.ranks.main else ():
            self.history(step + 1, arch, score)
        return arch_step.last

    def _require_finite(self, what: str, value: float) -> None:
        """Raise `DivergedError` unless `value` is finite: the checkpoint of an earlier step is then the last."""
        if isfinite(value):
            return
        step, rate = self._present
        raise DivergedError(
            f"the {what} is {value} in step {step} at a learning rate of {rate:g}: "
            "search with a lower weights.lr; the last checkpoint is kept",
            code="strategies.diverged",
            step=step,
            learning_rate=rate,
        )

    def _describe(self, loss: float, searching: bool) -> str:
        if self.setup is None:
            return f"weights: loss {loss:.2f}"
        return f"{'search' if searching else 'warm-up'}: loss {loss:.2f}, expected {self.expected_ms():.3f} ms"

    @property
    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"supernet": self.supernet, "optimizer": self.optimizer}
        if self.setup is not None:
            parts["learner"] = self.setup.learner
            if isinstance(self.setup.objective, Loss):
                parts["objective"] = self.setup.objective
        return parts

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, and how long it took up to here."""
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        return {"done": self.done, "seconds": self.seconds, "own": self.own, **parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state`."""
        self.done, self.seconds, self.own = state["done"], state["seconds"], state["own"]
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        self._expected = None


def _groups(supernet: Supernet, decay: float) -> list[dict[str, Any]]:
    """The parameters in two groups: BatchNorm's are not decayed."""
    norms = {id(p) for m in supernet.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
    return [
        {"params": [p for p in supernet.parameters() if id(p) not in norms], "weight_decay": decay},
        {"params": [p for p in supernet.parameters() if id(p) in norms], "weight_decay": 0.0},
    ]
