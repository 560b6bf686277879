"""What all policies have in common: a distribution over architectures that follows the gradient of what it is told."""

from collections.abc import Callable, Sequence

import torch

from ...nn.gates import one_hot
from ...space.space import Arch, SearchSpace
from ..base import ArchitectureStep, State, TrainingPaths
from ..finalists import most_probable_within
from ..limit import TRIES, Limit
from ..ranges import counts, not_negative, shares
from ..samplers.scored import ScoredSampler
from .baseline import Baseline
from .controller import Controller
from .factorised import Factorised
from .pace import Pace, Stand

DRAWS = 128
"""Architectures that are drawn to see what is probable."""


class Policy(ScoredSampler):
    """A `Sampler` and a `Learner`: `model` gives the probability of every architecture, and REINFORCE (Williams 1992)
    moves it by Adam: the loss is the mean of −log p(arch) · (R − b) over a batch, b the `Baseline` with `decay`.

    `ask` draws from the policy until something is within the limit, and mends a draw where nothing is. The gradient
    leaves out that of the probability Z to be within it: −∇log Z · (R − b), which is 0 in the mean as R − b is.

    Told scores and shared weights differ in what they are good for. A score that is told is of one architecture, and
    `best` and `finalists` give the best of them first. A reward of shared weights is of one batch and of weights that
    still change: `learn` keeps none, and `best` and `finalists` are then the most probable.

    `lr` and `batch` are those of `pace` where they are 0. Raises `InputError` for a constant out of range.
    """

    single_level = single_process = False

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        model: Callable[[Sequence[int], torch.Generator], Controller | Factorised],
        pace: Pace,
        lr: float,
        batch: int,
        decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        super().__init__(space, limit, seed=seed)
        counts(1, budget=budget)
        counts(batch=batch)
        not_negative(lr=lr)
        shares(decay=decay)
        self.budget, self.pace, self.lr = budget, pace, lr
        self.batch = batch or pace.batch_for(budget)
        self.generator = torch.Generator().manual_seed(seed)
        self.model = model(space.choices, self.generator)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=lr or pace.lr, betas=betas)
        self.baseline = Baseline(decay)
        self.pending: list[tuple[Arch, float]] = []
        self.drawn: list[Arch] = []

    def ask(self) -> Arch:
        """An architecture drawn from the policy, within the limit.

        `TRIES` are drawn at once, as that costs a controller little more than one, and are asked for in turn until the
        policy is updated."""
        if not self.drawn:
            some = list(map(tuple, self.model.sample(TRIES, self.generator).tolist()))
            self.drawn = self.limit.filter(some) or [self.limit.repair(some[-1], self.rng)]
        return self.drawn.pop(0)

    def tell(self, arch: Arch, score: float) -> None:
        """Remember the score of `arch`, and learn from it once `batch` are told."""
        super().tell(arch, score)
        self.pending.append((arch, float(score)))
        if len(self.pending) == self.batch:
            part = min(1.0, len(self.told) / self.budget)
            self.update(self.pending, Stand(max(1, self.budget // self.batch), part, shared=False))
            self.pending = []

    def training_paths(self, part: float) -> TrainingPaths:
        """One architecture drawn from the policy."""
        return TrainingPaths((one_hot(self.ask()),))

    def learn(self, held: ArchitectureStep) -> list[tuple[Arch, float]]:
        """One update by the rewards of `batch` architectures, all on the same images."""
        seen = [(arch, held.reward(arch)) for arch in (self.ask() for _ in range(self.batch))]
        self.update(seen, Stand(self.budget, held.part, shared=True))
        return seen

    def update(self, seen: Sequence[tuple[Arch, float]], stand: Stand) -> None:
        """Learn from the rewards of the architectures `seen`."""
        archs = torch.tensor([arch for arch, _ in seen])
        rewards = self.worth(archs, torch.tensor([reward for _, reward in seen], dtype=torch.float64))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(stand)
        self.improve(archs, self.baseline.advantages(rewards).float())
        self.drawn = []  # of the policy as it was

    def worth(self, archs: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """What is compared with the baseline, (N,): the rewards themselves."""
        return rewards

    def rate(self, stand: Stand) -> float:
        """The learning rate of an update."""
        return self.lr or self.pace.rate_for(stand.updates)

    def improve(self, archs: torch.Tensor, advantages: torch.Tensor) -> None:
        """Follow the gradient of the mean of log p(arch) · advantage: indices (N, slots), advantages (N,)."""
        self.descend(-(advantages * self.log_probs(archs).sum(1)).mean())

    def descend(self, loss: torch.Tensor) -> None:
        """One step of Adam."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def log_probs(self, archs: torch.Tensor) -> torch.Tensor:
        """log p of every option of `archs` given those before it, (N, slots): the sum of a row is log p(arch)."""
        return self.model(archs).gather(2, archs[:, :, None])[:, :, 0]

    def entropies(self, archs: torch.Tensor) -> torch.Tensor:
        """Entropy of every slot in nats given the options of `archs` before it, (N, slots).

        The mean over draws of the sum of a row is the entropy of the policy."""
        logs = self.model(archs)
        return -(logs.exp() * logs.masked_fill(self.model.absent, 0)).sum(2)

    def distribution(self) -> torch.Tensor:
        """Marginal probability of every option, (slots, widest slot), detached. A controller's is the mean over draws
        of what it says given what is before, and so an estimate."""
        with torch.no_grad():
            return self.model(self.model.sample(DRAWS, self._apart())).exp().mean(0)

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """Up to `count` different architectures within `limit`: the best told, and then the most `probable`."""
        told = super().finalists(count, limit)
        if len(told) == count:
            return told
        return [*told, *(arch for arch in self.probable(2 * count, limit) if arch not in self.scores)][:count]

    def probable(self, count: int, limit: Limit) -> list[Arch]:
        """Up to `count` of the most probable architectures within `limit`, the first first. Of a factorised policy they
        are as exact as those of `most_probable_within`; of a controller the best of them, by its marginals, and of
        draws."""
        drawn = list(map(tuple, self.model.sample(8 * DRAWS, self._apart()).tolist()))
        by_marginals = most_probable_within(self.distribution().double().numpy(), limit, count)
        found = list(dict.fromkeys([*by_marginals, *limit.filter(drawn)]))
        if not found:
            return []
        with torch.no_grad():
            order = self.log_probs(torch.tensor(found)).sum(1).argsort(descending=True, stable=True)
        return [found[i] for i in order[:count]]

    @staticmethod
    def _apart() -> torch.Generator:
        """A generator for what is only looked at: looking changes nothing, and sees the same in a loaded policy."""
        return torch.Generator().manual_seed(0)

    def state_dict(self) -> State:
        """The model, Adam's state, the baseline, what was told and drawn, and both random states."""
        return super().state_dict() | {
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "baseline": self.baseline.state_dict(),
            "pending": [[list(arch), score] for arch, score in self.pending],
            "drawn": [list(arch) for arch in self.drawn],
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from `state`."""
        super().load_state_dict(state)
        for name in ("model", "optimizer", "baseline"):
            getattr(self, name).load_state_dict(state[name])
        self.pending = [(tuple(arch), score) for arch, score in state["pending"]]
        self.drawn = list(map(tuple, state["drawn"]))
        self.generator.set_state(state["generator"])
