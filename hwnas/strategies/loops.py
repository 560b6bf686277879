"""Train shared weights, and a strategy while they learn, resumable at any step."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import InputError
from ..nn.accelerator import compile_blocks
from ..nn.optimizer import sgd
from ..nn.ranks import Ranks
from ..nn.supernet import Supernet
from ..nn.sync_norm import synchronise
from ..progress import Report, silent
from .base import Learner, TrainingPaths
from .objective import Loss, Reward
from .path_samplers.base import PathSampler
from .resumable import History, Resumable, forget
from .schedule import Schedule
from .step import Latency, SupernetStep
from .stopwatch import Stopwatch
from .weights import Batch, SharedWeights, weight_step

__all__ = ["Batches", "Schedule", "SharedLoop"]

Batches = Callable[[int], Batch]
"""Step number to this rank's rows of the batch of that step: always the same."""


class SharedLoop(Resumable):
    """Steps of the shared weights, and after the warm-up steps of a `learner` between them (1812.00332, §3.2).

    What a step of the weights trains is said by `lessons` or else by the learner. The architecture learns on the
    batches of `arch_batch`; a single-level learner in the very steps of the weights. Without a learner, as one-shot
    methods are, neither `objective` nor `cost` nor `arch_batch` is used. A `Loss` is steered after every architecture
    step by the expected latency that it led to.

    Everything that a step depends on is in `state_dict`, so a run that was cut off and resumed ends exactly as an
    undisturbed one; also under a longer schedule than it began with, for all that depends on the schedule is a
    function of the step. Several `ranks` take every step together, on the joined batch: they draw the same
    architectures, and gradients are averaged. Any number of ranks can go on from the checkpoint of any other. What is
    moved is on the device of `supernet`; the learner, which is small, stays on the CPU.

    Raises `InputError` for a schedule that a single-level learner cannot follow, and for several ranks of a learner
    with `single_process`.
    """

    def __init__(
        self,
        supernet: Supernet,
        path_sampler: PathSampler | None,
        learner: Learner | None,
        objective: Loss | Reward | None,
        cost: Latency | None,
        schedule: Schedule,
        weight_batch: Batches,
        arch_batch: Batches | None,
        ranks: Ranks | None = None,
        history: History = forget,
    ) -> None:
        self.ranks, self.schedule, self.history = ranks or Ranks(), schedule, history
        self.supernet, self.path_sampler, self.learner = supernet.train(), path_sampler, learner
        self.objective, self.cost = objective, cost
        self.weight_batch, self.arch_batch = weight_batch, arch_batch
        self.single_level = learner is not None and learner.single_level
        if self.single_level and schedule.weight_steps_per_arch_step > 1:
            raise InputError("this strategy learns in every step of the weights: leave weight_steps_per_arch_step at 1")
        if self.ranks.size > 1 and learner is not None and learner.single_process:
            raise InputError("this strategy takes gradients of the weights itself: search in one process")
        criterion = nn.CrossEntropyLoss(label_smoothing=schedule.label_smoothing)
        self.shared = SharedWeights(supernet, criterion, self.ranks, schedule.bfloat16)
        self.optimizer = sgd(_groups(supernet, schedule.weight_decay), schedule.lr)
        self.ranks.average_before(self.optimizer)
        if schedule.synchronised and self.ranks.size > 1:
            synchronise(supernet, self.ranks)
        if schedule.compiled:
            compile_blocks(supernet)
        self.done, self.seconds, self.own = 0, 0.0, 0.0
        self._expected: float | None = None

    @property
    def overhead(self) -> float:
        """Share of the time that went into the strategy itself: not the supernet, nor what latencies are."""
        return self.own / self.seconds if self.seconds else 0.0

    def expected_ms(self) -> float:
        """Expected latency under the learner's present probabilities."""
        if self._expected is None:
            self._expected = float(self.cost.expected(self.learner.distribution()))
        return self._expected

    @property
    def total(self) -> int:
        """Number of steps of the shared weights."""
        return self.schedule.total

    def run(self, checkpoint: Path, report: Report = silent) -> None:
        """Go on from `checkpoint` if it exists, to the end; see `Resumable`."""
        super().run(checkpoint, report, self.schedule.checkpoint_seconds)

    def step(self, report: Report = silent) -> None:
        """One step of the weights and, past the warm-up and where it is due, one of the architecture."""
        started = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(self.done)
        searching = self.learner is not None and self.done >= self.schedule.warmup_steps
        loss = self.joint_step(self.done) if searching and self.single_level else self.weight_step(self.done)
        self.done += 1
        searched, every = self.done - self.schedule.warmup_steps, self.schedule.weight_steps_per_arch_step
        if searching and not self.single_level and searched % every == 0:
            self.arch_step(searched // every - 1)
        self.seconds += time.perf_counter() - started
        if report is not silent:  # what is expected takes a controller as long as a step of its own
            report(self.done, self._told(loss, searching))

    def weight_step(self, step: int) -> float:
        """Train the weights by the lesson of `step`; the loss of its first path before that."""
        return weight_step(self.shared, self.optimizer, self._lesson(step), self.weight_batch(step))

    def arch_step(self, step: int) -> None:
        """Step `step` of the architecture, by held-out images."""
        self._learn(step, self.arch_batch(step), lambda: self.weight_batch(self.done))

    def joint_step(self, step: int) -> float:
        """Step `step` of the weights, by the gradients that a single-level learner leaves in them; its last loss."""
        batch = self.weight_batch(step)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._learn(step - self.schedule.warmup_steps, batch, lambda: batch)
        self.optimizer.step()
        return loss

    def _lesson(self, step: int) -> TrainingPaths:
        part, started = step / self.schedule.total, time.perf_counter()
        if self.path_sampler is None:
            training_paths = self.learner.training_paths(part)
        else:
            self.path_sampler.prepare(self.supernet, part)
            training_paths = self.path_sampler.training_paths(part, step)
        self.own += time.perf_counter() - started
        return training_paths

    def _learn(self, step: int, batch: Batch, training: Callable[[], Batch]) -> float:
        """Step `step` of the learner; the last loss that it saw."""
        part, rate = step / self.schedule.arch_steps, self.schedule.rate(self.done)
        held = SupernetStep(self.shared, self.objective, self.cost, batch, training, part, rate)
        watch = Stopwatch(self.shared.device)
        with watch.running():
            found = self.learner.learn(held)
        self.own += watch.seconds - held.watch.seconds
        self._expected = None
        if self._remembers:
            self.objective.steer(self.expected_ms())
        for arch, score in found if self.ranks.main else ():
            self.history(step + 1, arch, score)
        return held.last

    def _told(self, loss: float, searching: bool) -> str:
        if self.learner is None:
            return f"weights: loss {loss:.2f}"
        return f"{'search' if searching else 'warm-up'}: loss {loss:.2f}, expected {self.expected_ms():.3f} ms"

    @property
    def _remembers(self) -> bool:
        """Whether the objective is a `Loss`: a reward is a function, and remembers nothing."""
        return self.objective is not None and not callable(self.objective)

    @property
    def _parts(self) -> dict[str, Any]:
        parts = {"supernet": self.supernet, "optimizer": self.optimizer, "learner": self.learner}
        parts["objective"] = self.objective if self._remembers else None
        return {name: part for name, part in parts.items() if part is not None}

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, and how long it took up to here."""
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        return {"done": self.done, "seconds": self.seconds, "own": self.own, **parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
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
