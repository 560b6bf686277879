"""The shared weights of one search: how they are trained, and what the architectures that inherit them are worth."""

from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..latency.predictor import LatencyPredictor
from ..nn.ranks import Ranks
from ..nn.supernet import Supernet
from ..progress import progress
from ..space.space import Arch, SearchSpace
from ..strategies.base import Learner
from ..strategies.loops import Schedule, SharedLoop
from ..strategies.path_samplers.base import PathSampler
from ..strategies.path_samplers.rules import Uniform
from ..training.batches import Batches
from ..training.data import Dataset, holdout
from ..training.inherited import Inherited
from ..training.prefetch import Prefetched
from .evaluators import VALIDATION_SHARE
from .history import History
from .plan import Plan

RECALIBRATION = 512
"""Images for the BatchNorm statistics of an architecture that is judged."""
QUICK = 2048
"""Held-out images, at most, that an architecture is judged on while many are; finalists are judged on all."""


class Shared:
    """A supernet of `space` and its loop; `learner` is what learns beside it, if any."""

    def __init__(
        self,
        space: SearchSpace,
        plan: Plan,
        predictor: LatencyPredictor,
        target_ms: float,
        dataset: Dataset,
        seed: int,
        schedule: Schedule,
        learner: Learner | None,
        history: History,
        ranks: Ranks,
    ) -> None:
        self.ranks, self.schedule, self.dataset, self.seed = ranks, schedule, dataset, seed
        self.train, self.held = holdout(dataset.train, VALIDATION_SHARE, seed)
        batch = self._batch(schedule.batch_size)
        self.training = Prefetched(Batches(self.train, dataset, batch, seed, rows=ranks.rows), ranks.device)
        self.judging = Prefetched(Batches(self.held, dataset, batch, seed + 1, rows=ranks.rows), ranks.device)
        path_sampler = self._lessons(space, plan, seed) if learner is None else None
        sharing = plan.sharing or plan.method.sharing
        supernet = path_sampler.supernet(sharing) if path_sampler else Supernet(space, seed, sharing)
        self.loop = SharedLoop(
            supernet.to(ranks.device),
            path_sampler=path_sampler,
            learner=learner,
            objective=plan.joined(target_ms),
            cost=predictor,
            schedule=schedule,
            weight_batch=self.training,
            arch_batch=self.judging,
            ranks=ranks,
            history=lambda step, arch, score: history.add("weights", step, arch, score),
        )
        self._judges: dict[int, Inherited] = {}

    def _batch(self, asked: int) -> int:
        """Images of a step. Raises `InputError` where they cannot be dealt out."""
        batch = min(asked, len(self.held))  # a small folder of images has few to hold out
        if batch % self.ranks.size:
            raise InputError(
                f"a batch of {batch} images cannot be dealt out evenly to {self.ranks.size} ranks: "
                f"give a multiple of {self.ranks.size}"
            )
        return batch

    def _lessons(self, space: SearchSpace, plan: Plan, seed: int) -> PathSampler:
        """The method's own, or for a sampler of any evaluator single paths drawn uniformly."""
        return plan.made(plan.method.parts[1] if plan.method.path_sampler else Uniform, space, seed=seed)

    def run(self, checkpoint: Path) -> None:
        """Train to the end, from `checkpoint` if it exists."""
        total = self.schedule.total
        with self.training, self.judging, progress("search", total, self.ranks.main) as report:
            self.loop.run(checkpoint, report)

    def quick(self, arch: Arch) -> float:
        """`worth` on at most `QUICK` of the held-out images."""
        return self._score(min(QUICK, len(self.held)), arch)

    def worth(self, arch: Arch) -> float:
        """Share of the held-out images (0 to 1) that `arch` gets right with its inherited weights and BatchNorm
        statistics of its own. The ranks deal out the images."""
        return self._score(len(self.held), arch)

    def alone(self) -> None:
        """From now on this rank judges all images by itself."""
        self.ranks = Ranks()
        self._judges.clear()

    def _score(self, count: int, arch: Arch) -> float:
        found = torch.tensor(self._judge(count)([arch]), dtype=torch.float64)
        return (self.ranks.mean(found) if self.ranks.size > 1 else found).item()

    def _judge(self, count: int) -> Inherited:
        """What judges on this rank's part of `count` held-out images."""
        if count not in self._judges:
            self._judges[count] = self._new_judge(count)
        return self._judges[count]

    def _new_judge(self, count: int) -> Inherited:
        calibration = np.random.default_rng(self.seed).permutation(len(self.train))[:RECALIBRATION]
        even = count // self.ranks.size * self.ranks.size
        mine = self.held.take(np.random.default_rng(self.seed).permutation(len(self.held))[:even][self.ranks.rows])
        return Inherited(self.loop.supernet, self.train.images[calibration], mine, self.dataset)
