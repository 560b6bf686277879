"""The protocols of strategies: samplers, which are asked and told; learners, which learn beside shared weights.

A `Sampler` proposes architectures to evaluate and is told their scores: black-box search. A `Learner` learns while the
shared weights of a supernet do; `relaxations` are learners by gradient, and `policies` are learners and samplers both.
All randomness is the strategy's own, so that its state is all that a checkpoint needs.

Every strategy is made by `Kind(space, limit, constants, *, seed, budget)`: `limit` says what architectures are
allowed, `constants` is an instance of the frozen model that the class names as `Kind.constants`, and `budget` is the
expected number of evaluations, or of architecture steps for a learner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..space.space import Arch
from .limit import Limit

if TYPE_CHECKING:  # the list of strategies and the samplers without a model do without torch
    import torch

    from ..nn.gates import Gate
    from ..nn.supernet import Supernet

State = dict[str, Any]
"""Tensors and JSON values, nested in dicts (with str or int keys) and lists; tuples come back from a file as lists."""


class Stateful(Protocol):
    """Anything that can be stopped and resumed exactly where it was."""

    def state_dict(self) -> State:
        """All that it must keep."""
        ...

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        ...


@dataclass(frozen=True)
class Proposal:
    """An architecture to evaluate, and the `id` to tell its score by."""

    id: int
    arch: Arch


class Sampler(Stateful, Protocol):
    """Black-box search: `ask`, evaluate in any way and order, `tell`. `samplers.scored.ScoredSampler` is a base."""

    def ask(self, count: int = 1) -> list[Proposal]:
        """`count` architectures within the limit to evaluate next; more may be asked before any is told."""
        ...

    def tell(self, id: int, score: float | None) -> None:
        """Learn the score of the proposal `id`, the larger the better: an accuracy (0 to 1) or a reward; None: it
        failed, and is not chosen. Raises `InputError` for an id that is not pending, `DivergedError` for NaN."""
        ...

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """Up to `count` different architectures within `limit` that it holds best, the best first."""
        ...

    def best(self) -> Arch:
        """The architecture within its own limit that it would choose now. Raises `InputError` where none is known."""
        ...


@dataclass(frozen=True)
class TrainingPaths:
    """What one update of the shared weights learns from: the gradients of all `paths`, summed, on the same batch.

    A path has one gate for each slot. With `distil` only the first path learns the labels, and the others its answers
    (in-place distillation, 1903.05134, §4.2). With `decay_first` only what the first path runs is decayed (BigNAS,
    2003.11142, §3.1: the smaller children are not regularised).
    """

    paths: "tuple[tuple[Gate, ...], ...]"
    distil: bool = False
    decay_first: bool = False


class ArchitectureStep(Protocol):
    """What one architecture step may use: a batch of validation images, the next training batch, and latency.

    A learner with `single_level` has training images alone: both batches are the step's own. It calls `backward` on its
    loss, and the shared weights are then updated by the gradients that this leaves in them.
    """

    progress: float
    """Share of the steps after the warm-up that is over, 0 to 1."""
    learning_rate: float
    """The present learning rate of the shared weights."""

    @property
    def supernet(self) -> "Supernet":
        """The shared weights."""
        ...

    def loss(self, gates: "Sequence[Gate]") -> "torch.Tensor":
        """Cross-entropy of the supernet under `gates` on validation images, differentiable in the gates' weights."""
        ...

    def training_loss(self, gates: "Sequence[Gate]") -> "torch.Tensor":
        """The same on training images, as the shared weights would learn from it (1806.09055, eq. 7)."""
        ...

    def with_latency(self, loss: "torch.Tensor", probs: "torch.Tensor") -> "torch.Tensor":
        """The objective of `loss` and of the expected latency under `probs` (slots, widest slot)."""
        ...

    def reward(self, arch: Arch) -> float:
        """The objective of the accuracy of `arch` on the batch and of its latency."""
        ...


class Learner(Stateful, Protocol):
    """A strategy that learns from the shared weights while they are trained."""

    single_level: bool
    """Whether it learns from the very step of the weights (SNAS, 1812.09926), not from validation images in turn."""
    single_process: bool
    """Whether it takes gradients of the shared weights itself, which are not averaged over several ranks."""

    def training_paths(self, progress: float) -> TrainingPaths:
        """What the next step of the shared weights trains, when `progress` (0 to 1) of all steps, warm-up included, is
        over. A single-level learner is asked only in the warm-up."""
        ...

    def learn(self, step: ArchitectureStep) -> list[tuple[Arch, float]]:
        """One architecture step; the architectures that it looked at and the score of each, for the history."""
        ...

    def distribution(self) -> "torch.Tensor":
        """Present probability of every option, (slots, widest slot), detached; 0 beyond the end of a narrow slot."""
        ...

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """Up to `count` different architectures within `limit`, the most probable first."""
        ...

    def best(self) -> Arch:
        """The most probable architecture within its own limit."""
        ...
