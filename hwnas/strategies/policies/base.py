"""The base of policies: a distribution over architectures that follows the gradient of its rewards."""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field

from ...nn.gates import one_hot
from ...space.space import Arch, SearchSpace
from ..base import ArchitectureStep, State, TrainingPaths
from ..constants import Constants, require_budget
from ..limit import TRIES, Limit
from ..most_probable import most_probable_within
from ..samplers.scored import ScoredSampler
from .baseline import Baseline
from .controller import Controller
from .factorised import Factorised
from .scaling import LearningRateScaling, SearchProgress

SAMPLES = 128
"""Architectures that are sampled to see what is probable."""

REJECTED = 4
"""Samples that are computed at first for each that an update needs, where some are beyond the limit."""


class PolicyConstants(Constants):
    """Constants of every policy; the defaults of a method are its published ones."""

    lr: float = Field(default=0.0, ge=0, description="Adam's learning rate. 0: the published one, scaled to the budget")
    batch: int = Field(
        default=0, ge=0, description="architectures of an update. 0: the published number, or a 20th of the budget"
    )
    decay: float = Field(default=0.95, ge=0, le=1, description="decay of the moving average that is the baseline")


class ControllerConstants(PolicyConstants):
    """Constants of a policy whose model is an LSTM controller."""

    layers: int = Field(default=1, ge=1, description="layers of the LSTM")
    units: int = Field(default=100, ge=1, description="units of each layer")
    init: float = Field(default=0.1, gt=0, description="first weights are from U(−init, init)")


class Policy(ScoredSampler):
    """A `Sampler` and a `Learner`: `model` gives the probability of every architecture, and REINFORCE (Williams 1992)
    moves it by Adam: the loss is the mean of −log p(arch) · (R − b) over a batch, b the `Baseline`.

    Proposals are sampled from the policy until one is within the limit; a sample is repaired where none is. The
    gradient leaves out that of the probability Z to be within it: −∇log Z · (R − b), which is 0 in the mean as R − b
    is. As samples, proposals may repeat what is pending or scored.

    Scores and shared weights differ in what they are good for. A score that is told is of one architecture, and `best`
    and `finalists` give the best of them first. A reward of shared weights is of one batch and of weights that still
    change: `learn` keeps none, and `best` and `finalists` are then the most probable.
    """

    constants: ClassVar[type[Constants]] = PolicyConstants
    single_level = single_process = False

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        constants: PolicyConstants,
        *,
        seed: int,
        budget: int,
        model: Callable[[Sequence[int], torch.Generator], Controller | Factorised],
        scaling: LearningRateScaling,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        require_budget(budget)
        self.scaling, self.lr = scaling, constants.lr
        self.batch = constants.batch or scaling.batch_for(budget)
        self.generator = torch.Generator().manual_seed(seed)
        self.model = model(space.choices, self.generator)
        self.fused = True if isinstance(self.model, Controller) else None  # ten tensors in one operation
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=constants.lr or scaling.lr, betas=betas, fused=self.fused
        )
        self.baseline = Baseline(constants.decay)
        self.unlearned: list[tuple[Arch, float]] = []
        self.samples: Iterator[Arch] = iter(())

    def propose(self) -> Arch:
        """An architecture sampled from the policy, within the limit.

        The random numbers of `TRIES` samples are taken at once, and the samples proposed in turn until the policy is
        updated: a controller computes several in little more time than one."""
        while (arch := next(self.samples, None)) is None:
            self.samples = self._sample_within()
        return arch

    def _sample_within(self) -> Iterator[Arch]:
        """Those of `TRIES` samples that are within the limit, or where none is the last, repaired."""
        within, first = 0, min(TRIES, (self.batch + 1) * (1 if self.limit.free else REJECTED))
        for some in self.model.samples(TRIES, self.generator, first):
            archs: list[Arch] = list(map(tuple, some.tolist()))
            allowed = self.limit.filter(archs)
            within += len(allowed)
            yield from allowed
        if not within:
            yield self.limit.repair(archs[-1], self.rng)

    def observe(self, arch: Arch, score: float) -> None:
        """Learn from scores once there are `batch` new ones."""
        self.unlearned.append((arch, score))
        if len(self.unlearned) == self.batch:
            progress = min(1.0, len(self.observations) / self.budget)
            self.update(self.unlearned, SearchProgress(max(1, self.budget // self.batch), progress, shared=False))
            self.unlearned = []

    def training_paths(self, progress: float) -> TrainingPaths:
        """One architecture sampled from the policy."""
        return TrainingPaths((one_hot(self.propose()),))

    def learn(self, step: ArchitectureStep) -> list[tuple[Arch, float]]:
        """One update by the rewards of `batch` architectures, all on the same images."""
        rewards = [(arch, step.reward(arch)) for arch in (self.propose() for _ in range(self.batch))]
        self.update(rewards, SearchProgress(self.budget, step.progress, shared=True))
        return rewards

    def update(self, rewards: Sequence[tuple[Arch, float]], progress: SearchProgress) -> None:
        """Learn from the `rewards` of architectures."""
        archs = torch.tensor([arch for arch, _ in rewards])
        values = self.score(archs, torch.tensor([reward for _, reward in rewards], dtype=torch.float64))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(progress)
        self.improve(archs, self.baseline.advantages(values).float())
        self.samples = iter(())  # what is left is of the policy as it was

    def score(self, archs: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """What is compared with the baseline, (N,): the rewards themselves."""
        return rewards

    def rate(self, progress: SearchProgress) -> float:
        """The learning rate of an update."""
        return self.lr or self.scaling.rate_for(progress.updates)

    def improve(self, archs: torch.Tensor, advantages: torch.Tensor) -> None:
        """Follow the gradient of the mean of log p(arch) · advantage: indices (N, slots), advantages (N,)."""
        self.descend(-(advantages * self.log_probs(archs).sum(1)).mean())

    def descend(self, loss: torch.Tensor) -> None:
        """One step of Adam."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    def log_probs(self, archs: torch.Tensor) -> torch.Tensor:
        """log p of every option of `archs` given those before it, (N, slots): the sum of a row is log p(arch)."""
        logs: torch.Tensor = self.model(archs)
        return logs.gather(2, archs[:, :, None])[:, :, 0]

    def entropies(self, archs: torch.Tensor) -> torch.Tensor:
        """Entropy of every slot in nats given the options of `archs` before it, (N, slots).

        The mean over samples of the sum of a row is the entropy of the policy."""
        logs: torch.Tensor = self.model(archs)
        return -(logs.exp() * logs.masked_fill(self.model.absent, 0)).sum(2)

    def distribution(self) -> torch.Tensor:
        """Marginal probability of every option, (slots, widest slot), detached. A controller's is the mean over samples
        of what it says given what is before, and so an estimate."""
        with torch.no_grad():
            logs: torch.Tensor = self.model(self.model.sample(SAMPLES, self._fixed_generator()))
            return logs.exp().mean(0)

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """Up to `count` different architectures within `limit`: the best scored, and then the most `probable`."""
        scored = super().finalists(count, limit)
        if len(scored) == count:
            return scored
        probable = self.probable(2 * count, limit)
        return [*scored, *(arch for arch in probable if arch not in self.scores and arch not in self.failed)][:count]

    def probable(self, count: int, limit: Limit) -> list[Arch]:
        """Up to `count` of the most probable architectures within `limit`, the first first. Of a factorised policy they
        are as exact as those of `most_probable_within`; of a controller the best of these, by its marginals, and of
        samples."""
        samples = list(map(tuple, self.model.sample(8 * SAMPLES, self._fixed_generator()).tolist()))
        by_marginals = most_probable_within(self.distribution().double().numpy(), limit, count)
        found = list(dict.fromkeys([*by_marginals, *limit.filter(samples)]))
        if not found:
            return []
        with torch.no_grad():
            order = self.log_probs(torch.tensor(found)).sum(1).argsort(descending=True, stable=True)
        return [found[i] for i in order[:count]]

    @staticmethod
    def _fixed_generator() -> torch.Generator:
        """A generator for what is only looked at: looking changes nothing, and sees the same in a loaded policy."""
        return torch.Generator().manual_seed(0)

    def state_dict(self) -> State:
        """The model, Adam's state, the baseline, scores and samples, and both random states."""
        left = list(self.samples)  # computed now, with the weights that are written beside them
        self.samples = iter(left)
        return super().state_dict() | {
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "baseline": self.baseline.state_dict(),
            "unlearned": [[list(arch), score] for arch, score in self.unlearned],
            "samples": [list(arch) for arch in left],
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        super().load_state_dict(state)
        for name in ("model", "optimizer", "baseline"):
            getattr(self, name).load_state_dict(state[name])
        for group in self.optimizer.param_groups:
            group["fused"] = self.fused  # which Adam loads too, and older files do not have
        unlearned = state["unlearned"] if "unlearned" in state else state["pending"]  # its name in older files
        self.unlearned = [(tuple(arch), score) for arch, score in unlearned]
        self.samples = iter(list(map(tuple, state["samples"] if "samples" in state else state["drawn"])))
        self.generator.set_state(state["generator"])
