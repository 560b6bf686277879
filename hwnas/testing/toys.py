"""Problems small enough to list: spaces, scores that are sums over slots, costs, and what a learner looks at."""

from collections.abc import Sequence
from itertools import product
from typing import Literal

import numpy as np
import torch
from torch import nn

from ..nn.gates import Gate
from ..space.net import Block
from ..space.space import Arch, Choice, Elastic, SearchSpace, Slot
from ..strategies.limit import Limit

Kind = Literal["independent", "elastic"]
Allowed = Literal["free", "hard", "band"]


def independent_space(*choices: int) -> SearchSpace:
    """Independent slots with that many candidates each."""
    return SearchSpace(
        "toy", tuple(Slot(tuple(Block("conv", 8, 8, 4, 4, 2 * i + 1) for i in range(n))) for n in choices)
    )


def elastic_space() -> SearchSpace:
    """Decisions that places share: a width, whose options change shapes, two kernels and a depth. 36 architectures."""
    widths, kernels = (8, 16), (3, 5, 7)
    width, depth = Choice("width", ("8", "16")), Choice("depth", ("1", "2"))
    first, second = (Choice(f"layer {i} kernel", ("3", "5", "7")) for i in (1, 2))

    def layer(w: int, kernel: int) -> Block:
        return Block("mbconv", widths[w], widths[w], 8, 8, kernels[kernel], expansion=2, residual=True)

    def optional(w: int, d: int, kernel: int) -> Block:
        return layer(w, kernel) if d else Block("skip", widths[w], widths[w], 8, 8)

    return SearchSpace(
        "elastic toy",
        (
            Elastic.of((width,), lambda w: Block("conv", 3, widths[w], 8, 8, 3)),
            Elastic.of((width, first), layer),
            Elastic.of((width, depth, second), optional),
            Elastic.of((width,), lambda w: Block("classifier", widths[w], 5, 8, 8)),
        ),
    )


SPACES: dict[Kind, SearchSpace] = {"independent": independent_space(4, 3, 5, 2, 4), "elastic": elastic_space()}
"""Of 480 and of 36 architectures."""


class Linear:
    """A number for each option of each slot, `values` (slots, widest slot), 0 beyond narrow slots; the score of an
    architecture is the mean over slots.

    Each slot has its options spread evenly over 0 to 1 in an order drawn with `seed`, times a weight of its slot
    between 0.5 and 1: only one architecture is best.
    """

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.space, self.values = space, np.zeros((len(space.choices), max(space.choices)))
        for row, n in zip(self.values, space.choices, strict=True):
            row[:n] = rng.uniform(0.5, 1) * rng.permutation(np.linspace(0, 1, n))

    def cost(self, archs: Sequence[Arch]) -> np.ndarray:
        """The number of each architecture, (N,)."""
        if not len(archs):
            return np.zeros(0)
        return np.asarray(self.values[np.arange(len(self.values)), np.array(archs)].mean(axis=1))

    def score(self, arch: Arch) -> float:
        """The same of one."""
        return float(self.cost([arch])[0])

    def expected(self, probs: torch.Tensor) -> torch.Tensor:
        """Its mean under `probs` (slots, widest slot)."""
        return (probs * torch.as_tensor(self.values, dtype=probs.dtype)).sum() / len(self.values)


def all_architectures(space: SearchSpace) -> list[Arch]:
    """All architectures."""
    return list(product(*map(range, space.choices)))


def limited(space: SearchSpace, allowed: Allowed) -> Limit:
    """A limit on a `Linear` cost: "free", "hard" (the cheaper 40 % of architectures) or "band" (40 % in the middle).

    With its seed neither the best of the independent nor that of the elastic space is within the limits.
    """
    limit = Limit(space, Linear(space, seed=7).cost)
    low, middle, high = np.quantile(limit.cost(all_architectures(space)), (0.3, 0.4, 0.7))
    if allowed == "free":
        return limit
    return limit.within(float(middle)) if allowed == "hard" else limit.within(float(high), float(low))


def optimum(score: Linear, limit: Limit) -> float:
    """The best score within `limit`."""
    return float(score.cost(limit.filter(all_architectures(score.space))).max())


class ToyWeights(nn.Module):
    """Stands for a supernet: its weights are the losses of the options, (slots, widest slot), from a `Linear`."""

    def __init__(self, losses: Linear) -> None:
        super().__init__()
        self.losses = nn.Parameter(torch.tensor(losses.values, dtype=torch.float32))

    def forward(self, gates: Sequence[Gate]) -> torch.Tensor:
        """The mean over slots of the losses of the options that run, times their weights; a lone index weighs 1."""
        parts = [
            row[gate.indices[0]] if gate.weights is None else row[list(gate.indices)] @ gate.weights
            for row, gate in zip(self.losses, gates, strict=True)
        ]
        return torch.stack(parts).mean()


class ToyStep:
    """An `ArchitectureStep` whose cross-entropy is a sum over slots, on which price × expected cost is put.

    `loss` is exact: no images, no noise. `reward` is 1 less the same of one architecture.
    """

    supernet: nn.Module

    def __init__(
        self, losses: Linear, cost: Linear | None = None, price: float = 0.0, learning_rate: float = 0.1
    ) -> None:
        self.supernet, self.cost, self.price = ToyWeights(losses), cost, price
        self.losses, self.progress, self.learning_rate = losses, 0.5, learning_rate

    def loss(self, gates: Sequence[Gate]) -> torch.Tensor:
        """The loss on validation images."""
        loss: torch.Tensor = self.supernet(gates)
        return loss

    def training_loss(self, gates: Sequence[Gate]) -> torch.Tensor:
        """The loss on training images, which is the same."""
        return self.loss(gates)

    def with_latency(self, loss: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
        """`loss` and the price of the expected cost under `probs`."""
        return loss if self.cost is None else loss + self.price * self.cost.expected(probs)

    def reward(self, arch: Arch) -> float:
        """1 less the loss of `arch` and the price of its cost."""
        paid = 0.0 if self.cost is None else self.price * self.cost.score(arch)
        return 1 - self.losses.score(arch) - paid
