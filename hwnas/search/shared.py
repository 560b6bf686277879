"""The shared weights of one search: how they are trained, and the scores of architectures that inherit them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..clock import Clock
from ..errors import InputError
from ..nn.ranks import Ranks
from ..nn.supernet import Supernet
from ..progress import Progress, show_progress
from ..space.space import Arch
from ..strategies.base import Learner
from ..strategies.loops import LearnerSetup
from ..strategies.path_samplers.base import PathSampler
from ..training.batches import Batches
from ..training.inherited import Inherited
from ..training.loading import make_loader
from ..training.streamed_children import StreamedChildren, calibration_count
from .evaluators import VALIDATION_SHARE
from .initial import begin
from .plan import Plan
from .problem import Problem
from .timed_loops import TimedSharedLoop

RECALIBRATION = 512
"""Images for the BatchNorm statistics of an architecture that is scored."""
QUICK = 2048
"""Validation images, at most, that an architecture is scored on while many are; finalists are scored on all."""


class SharedSupernet:
    """A supernet of the problem's space and the loop that trains it; `learner` is what learns beside it, if any.

    `history` is called with the step, architecture and score of what the learner looked at. `clock` counts what the
    parts of training take. `begun` says what the weights began with, None where they were drawn.
    """

    def __init__(
        self,
        problem: Problem,
        plan: Plan,
        *,
        learner: Learner | None,
        history: Callable[[int, Arch, float], None],
        ranks: Ranks,
        clock: Clock,
    ) -> None:
        self.dataset, self.seed, self.ranks = problem.dataset, plan.config.seed, ranks
        self.schedule = plan.config.weights.schedule
        self.train, self.validation = self.dataset.divided(VALIDATION_SHARE, self.seed)
        batch = self._batch_size(self.schedule.batch_size)
        sources = ((self.train, self.seed), (self.validation, self.seed + 1))
        self.training, self.validating = (
            make_loader(Batches(split, self.dataset, batch, seed, rows=ranks.rows), split, ranks.device)
            for split, seed in sources
        )
        sharing = plan.config.weights.sharing or "separate"
        paths: PathSampler | LearnerSetup
        if learner is None:
            paths = plan.path_sampler(problem.limit)
            supernet = paths.supernet(sharing)
        else:
            batches = clock.counted("batches", self.validating)
            paths = LearnerSetup(learner, plan.objective(), problem.predictor, problem.target_ms, batches)
            supernet = Supernet(problem.space, self.seed, sharing)
        what = plan.config.weights.init
        self.begun = None if what is None else begin(supernet, what, sharing)
        self.loop = TimedSharedLoop(
            supernet.to(ranks.device), paths, self.schedule, clock.counted("batches", self.training),
            ranks=ranks, history=clock.counted("history", history), clock=clock,
        )  # fmt: skip
        self._scorers: dict[int, Inherited | StreamedChildren] = {}

    def _batch_size(self, asked: int) -> int:
        """Images of a step. Raises `InputError` where they cannot be dealt out."""
        batch = min(asked, len(self.validation))  # a small folder of images has few to validate on
        if batch % self.ranks.size:
            raise InputError(
                f"a batch of {batch} images cannot be dealt out evenly to {self.ranks.size} ranks: "
                f"give a multiple of {self.ranks.size}",
                code="search.uneven-batch", batch=batch, ranks=self.ranks.size,
            )  # fmt: skip
        return batch

    def run(self, checkpoint: Path, progress: Progress) -> None:
        """Train to the end, from `checkpoint` if it exists."""
        with self.training, self.validating, show_progress("search", self.schedule.total, progress) as report:
            self.loop.run(checkpoint, report)

    def score_quickly(self, arch: Arch) -> float:
        """`score` on at most `QUICK` of the validation images."""
        return self._score(min(QUICK, len(self.validation)), arch)

    def score(self, arch: Arch) -> float:
        """Share of the validation images (0 to 1) that `arch` gets right with its inherited weights and BatchNorm
        statistics of its own. The ranks deal out the images."""
        return self._score(len(self.validation), arch)

    def score_alone(self) -> None:
        """From now on have this rank score on all images by itself: the others wait for something else."""
        self.ranks = Ranks()
        self._scorers.clear()

    def _score(self, count: int, arch: Arch) -> float:
        if count not in self._scorers:
            self._scorers[count] = self._scorer(count)
        found = torch.tensor(self._scorers[count]([arch]), dtype=torch.float64)
        return (self.ranks.mean(found) if self.ranks.size > 1 else found).item()

    def _scorer(self, count: int) -> Inherited | StreamedChildren:
        """What scores on this rank's rows of `count` validation images."""
        streamed = self.train.streamed or self.validation.streamed
        most = calibration_count(RECALIBRATION, self.train.resolution) if streamed else RECALIBRATION
        calibration = self.train.fitted(np.random.default_rng(self.seed).permutation(len(self.train))[:most])
        even = count // self.ranks.size * self.ranks.size
        order = np.random.default_rng(self.seed).permutation(len(self.validation))
        mine = self.validation.take(order[:even][self.ranks.rows])
        kind = StreamedChildren if streamed else Inherited
        return kind(self.loop.supernet, calibration, mine, self.dataset)
