"""The base of relaxations: one real parameter for each option, a softmax over each slot, and Adam."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field

from ...errors import InputError
from ...nn.gates import Gate, one_hot
from ...space.space import Arch, SearchSpace
from ..base import ArchitectureStep, State, TrainingPaths
from ..constants import Constants, require_budget
from ..limit import Limit
from ..most_probable import most_probable_within

BASELINE_DECAY = 0.95
"""Share of the baseline that a new loss leaves as it was."""


class SoftmaxConstants(Constants):
    """Constants of every relaxation; the defaults of a method are its published ones."""

    lr: float = Field(
        default=0.0,
        ge=0,
        description="Adam's learning rate. 0: the published one, or in fewer steps one with which Adam goes as far",
    )
    weight_decay: float = Field(default=0.0, ge=0, description="Adam's weight decay of α")
    init_std: float = Field(default=1e-3, ge=0, description="standard deviation of the first α")


def scaled_rate(lr: float, published: float, steps: int, budget: int) -> float:
    """`lr`, or for 0 the published rate; in fewer than the published `steps`, one that goes as far in `budget` steps.

    Steps of Adam are at most about as long as its rate. Raises `InputError` for no step.
    """
    require_budget(budget)
    return lr or published * max(1.0, steps / budget)


class Softmax:
    """A learner with parameters α (slots, widest slot), and p = softmax(α) of each slot; 0 beyond narrow slots.

    A subclass makes `gates`, and keeps in `gate_probs` the probabilities that made them. It gives weights to several
    options of each of the `open` slots. The others are those of one option, and those whose options change shapes, so
    that their outputs cannot be added up (`SearchSpace.mixable`). Of these one option is sampled by p, and α follows
    the policy gradient (loss − baseline)·∇log p (REINFORCE), where the baseline is a moving average of the loss; no
    publication searches such slots by gradient. The expected latency is differentiable in both.
    """

    constants: ClassVar[type[Constants]] = SoftmaxConstants

    single_level = single_process = False

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        constants: SoftmaxConstants,
        *,
        seed: int,
        lr: float,
        betas: tuple[float, float],
    ) -> None:
        self.space, self.limit = space, limit
        self.generator = torch.Generator().manual_seed(seed)
        self.choices = torch.tensor(space.choices)
        self.present = torch.arange(int(self.choices.max())) < self.choices[:, None]
        mixable = torch.tensor(space.mixable)
        self.open, self.closed = mixable.nonzero()[:, 0], (~mixable).nonzero()[:, 0]
        alpha = constants.init_std * torch.randn(self.present.shape, generator=self.generator)
        self.alpha = alpha.where(self.present, 0.0).requires_grad_()  # weight decay makes no number of an infinity
        self.optimizer = torch.optim.Adam([self.alpha], lr=lr, betas=betas, weight_decay=constants.weight_decay)
        self.baseline: float | None = None
        self.gate_probs = self.distribution()
        """Probabilities that made the last gates, (slots, widest slot), for the expected latency; differentiable."""

    def logits(self) -> torch.Tensor:
        """α, −∞ beyond narrow slots; (slots, widest slot)."""
        return self.alpha.where(self.present, -torch.inf)

    def sample(self) -> torch.Tensor:
        """One index per slot, sampled by p. Until the next sample, gates have it in slots that are not open."""
        self.sampled = torch.multinomial(self.distribution(), 1, generator=self.generator)[:, 0]
        return self.sampled

    def gumbel(self, like: torch.Tensor) -> torch.Tensor:
        """Standard Gumbel noise, shaped like `like`; never infinite, as an exponential of 0 would make it."""
        noise = torch.empty_like(like).exponential_(generator=self.generator)
        return -noise.clamp_(min=torch.finfo(noise.dtype).tiny).log_()

    def sample_path(self) -> Arch:
        """One index per slot, sampled by p."""
        return tuple(self.sample().tolist())

    def training_paths(self, progress: float) -> TrainingPaths:
        """One path sampled by p: before the first architecture step, uniformly but for the noise of the first α."""
        return TrainingPaths((one_hot(self.sample_path()),))

    def gates(self) -> tuple[Gate, ...]:
        """What runs in the next architecture step; a new sample where the method samples."""
        raise NotImplementedError

    def mixed_gates(self, weights: torch.Tensor) -> tuple[Gate, ...]:
        """All options of the open slots, summed with `weights` (slots, widest slot); of the others those sampled."""
        sizes = self.choices[self.open].tolist()
        rows = weights[self.open][self.present[self.open]].split(sizes)  # type: ignore[no-untyped-call]
        return self.fill_slots(Gate(tuple(range(n)), row, "weighted") for n, row in zip(sizes, rows, strict=True))

    def fill_slots(self, gates: Iterator[Gate]) -> tuple[Gate, ...]:
        """`gates`, one for each open slot, and the sampled option of all other slots."""
        found = [Gate((index,)) for index in self.sampled.tolist()]
        for slot, gate in zip(self.open.tolist(), gates, strict=True):
            found[slot] = gate
        return tuple(found)

    def with_policy_gradient(self, loss: torch.Tensor) -> torch.Tensor:
        """`loss` in value, with the policy gradient of the slots that are not open; updates the baseline."""
        value = float(loss.detach())
        baseline = value if self.baseline is None else self.baseline
        self.baseline = BASELINE_DECAY * baseline + (1 - BASELINE_DECAY) * value
        logs = self.logits()[self.closed].log_softmax(1).gather(1, self.sampled[self.closed, None])
        return loss + (value - baseline) * (logs - logs.detach()).sum()

    def learn(self, step: ArchitectureStep) -> list[tuple[Arch, float]]:
        """One architecture step; the most probable architecture after it, with minus the loss under the gates."""
        loss = step.loss(self.gates())
        self.descend(step.with_latency(self.with_policy_gradient(loss), self.gate_probs))
        return [(self.most_probable(), -float(loss.detach()))]

    def most_probable(self) -> Arch:
        """The most probable architecture, whatever it costs."""
        return tuple(self.logits().argmax(1).tolist())

    def descend(self, loss: torch.Tensor) -> None:
        """One Adam update of α; if `single_level`, the shared weights are left their gradients of `loss`."""
        if self.single_level:
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            (self.alpha.grad,) = torch.autograd.grad(loss, self.alpha)
        self.optimizer.step()

    def distribution(self) -> torch.Tensor:
        """p, (slots, widest slot), detached."""
        return self.logits().detach().softmax(1)

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """Up to `count` different architectures within `limit`, the most probable first."""
        return most_probable_within(self.distribution().double().numpy(), limit, count)

    def best(self) -> Arch:
        """The most probable architecture within the limit. Raises `InputError` where none is known."""
        found = self.finalists(1, self.limit)
        if not found:
            low, high = self.limit.low, self.limit.high
            raise InputError(
                f"found no architecture of {self.space.name} that costs {low:g} to {high:g}: allow more",
                code="limit.no-architecture",
                space=self.space.name,
                low=low,
                high=high,
            )
        return found[0]

    def state_dict(self) -> State:
        """α, Adam's state, the baseline and the random state."""
        return {
            "alpha": self.alpha.detach(),
            "optimizer": self.optimizer.state_dict(),
            "baseline": self.baseline,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        with torch.no_grad():
            self.alpha.copy_(state["alpha"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.baseline = state["baseline"]
        self.generator.set_state(state["generator"])
