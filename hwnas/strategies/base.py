"""What a strategy is to whoever runs it: three small protocols, and what they are given.

A `Sampler` names architectures to evaluate and is told their scores: black-box search. A `Learner` learns while the
shared weights of a supernet do; `relaxations` are learners by gradient, and `policies` are learners and samplers both.
All randomness is the strategy's own, so that its state is all that a checkpoint needs.

Every strategy is made by `Kind(space, limit, *, seed, budget, **constants)`: `limit` says what architectures are
allowed, `budget` is the expected number of evaluations or of architecture steps, and the constants are keyword
arguments with the published values as defaults, each a number, a word or a bool. Where a published constant makes no
sense within a small budget its default is 0 or None, meaning one that scales with `budget`; the docstring says how.
Raises `InputError` for a constant out of range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from ..nn.gates import Gate
from ..nn.supernet import Supernet
from ..space.space import Arch
from .limit import Limit

State = dict[str, Any]
"""Tensors and JSON values, nested in dicts (with str or int keys) and lists; tuples come back from a file as lists."""


class Stateful(Protocol):
    """Anything that can be stopped, and go on exactly as it would have."""

    def state_dict(self) -> State:
        """All that it must keep."""
        ...

    def load_state_dict(self, state: State) -> None:
        """Go on from `state`."""
        ...


class Sampler(Stateful, Protocol):
    """Black-box search: `ask`, evaluate in any way, `tell`."""

    def ask(self) -> Arch:
        """An architecture within the limit to evaluate next. Asked again before it is told, it may give the same."""
        ...

    def tell(self, arch: Arch, score: float) -> None:
        """What `arch` is worth, the larger the better: an accuracy in 0 to 1, or a reward made of it."""
        ...

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """Up to `count` different architectures within `limit` that it thinks best, the best first."""
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

    paths: tuple[tuple[Gate, ...], ...]
    distil: bool = False
    decay_first: bool = False


class ArchitectureStep(Protocol):
    """What one architecture step may look at: a batch of held-out images, the next one of training images, and latency.

    A learner with `single_level` has only training images: both batches are the step's own. It calls `backward` on its
    loss, and the shared weights are then updated by what that leaves in them.
    """

    part: float
    """How much of the steps after the warm-up is over: 0 to 1."""
    supernet: Supernet
    rate: float
    """The present learning rate of the shared weights."""

    def loss(self, gates: Sequence[Gate]) -> torch.Tensor:
        """Cross-entropy of the supernet under `gates` on held-out images, differentiable in the gates' weights."""
        ...

    def training_loss(self, gates: Sequence[Gate]) -> torch.Tensor:
        """The same on training images, as the shared weights would learn from it (1806.09055, eq. 7)."""
        ...

    def joined(self, loss: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
        """`loss` and the expected latency under `probs` (slots, widest slot), joined by the search's objective."""
        ...

    def reward(self, arch: Arch) -> float:
        """Accuracy of `arch` on the batch and its latency, joined by the search's objective."""
        ...


class Learner(Stateful, Protocol):
    """A strategy that learns from the shared weights while they are trained."""

    single_level: bool
    """Whether it learns from the very step of the weights (SNAS, 1812.09926), not from held-out images in turn."""
    single_process: bool
    """Whether it takes gradients of the shared weights itself, which are not averaged over several ranks."""

    def training_paths(self, part: float) -> TrainingPaths:
        """What the next step of the shared weights trains, when `part` (0 to 1) of all steps, warm-up included, is
        over. A single-level learner is asked only in the warm-up."""
        ...

    def learn(self, held: ArchitectureStep) -> list[tuple[Arch, float]]:
        """One architecture step; the architectures that it looked at and what each was worth, for the history."""
        ...

    def distribution(self) -> torch.Tensor:
        """Present probability of every option, (slots, widest slot), detached; 0 beyond the end of a narrow slot."""
        ...

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """Up to `count` different architectures within `limit`, the most probable first."""
        ...

    def best(self) -> Arch:
        """The most probable architecture within its own limit."""
        ...
