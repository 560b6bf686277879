"""Problems small enough to list: spaces, scores that are sums over slots, costs, and what a learner looks at."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import nn

from hwnas.nn.gates import Gate
from hwnas.space.net import Block
from hwnas.space.space import Arch, Choice, Elastic, SearchSpace, Slot
from hwnas.strategies.limit import Limit
from hwnas.strategies.methods import METHODS


def space(*choices: int) -> SearchSpace:
    """Independent slots with that many candidates each."""
    return SearchSpace(
        "toy", tuple(Slot(tuple(Block("conv", 8, 8, 4, 4, 2 * i + 1) for i in range(n))) for n in choices)
    )


def elastic() -> SearchSpace:
    """Decisions that places share: a width, whose options change shapes, two kernels and a depth. 36 architectures."""
    widths, kernels = (8, 16), (3, 5, 7)
    width, depth = Choice("width", ("8", "16")), Choice("depth", ("1", "2"))
    first, second = (Choice(f"layer {i} kernel", ("3", "5", "7")) for i in (1, 2))

    def layer(w: int, kernel: int) -> Block:
        return Block("mbconv", widths[w], widths[w], 8, 8, kernels[kernel], expansion=2, residual=True)

    def perhaps(w: int, d: int, kernel: int) -> Block:
        return layer(w, kernel) if d else Block("skip", widths[w], widths[w], 8, 8)

    return SearchSpace(
        "elastic toy",
        (
            Elastic.of((width,), lambda w: Block("conv", 3, widths[w], 8, 8, 3)),
            Elastic.of((width, first), layer),
            Elastic.of((width, depth, second), perhaps),
            Elastic.of((width,), lambda w: Block("classifier", widths[w], 5, 8, 8)),
        ),
    )


class Linear:
    """A number for each option of each slot, `values` (slots, widest slot), 0 beyond narrow slots; architectures are
    worth the mean over slots.

    Each slot has its options spread evenly over 0 to 1 in an order drawn with `seed`, times a weight of its slot
    between 0.5 and 1: only one architecture is best.
    """

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.space, self.values = space, np.zeros((len(space.choices), max(space.choices)))
        for row, n in zip(self.values, space.choices, strict=True):
            row[:n] = rng.uniform(0.5, 1) * rng.permutation(np.linspace(0, 1, n))

    def cost(self, archs: Sequence[Arch]) -> np.ndarray:
        """What each architecture is worth, (N,)."""
        if not len(archs):
            return np.zeros(0)
        return self.values[np.arange(len(self.values)), np.array(archs)].mean(axis=1)

    def score(self, arch: Arch) -> float:
        """The same of one."""
        return float(self.cost([arch])[0])

    def expected(self, probs: torch.Tensor) -> torch.Tensor:
        """Its mean under `probs` (slots, widest slot)."""
        return (probs * torch.as_tensor(self.values, dtype=probs.dtype)).sum() / len(self.values)


def every(space: SearchSpace) -> list[Arch]:
    """All architectures."""
    return list(product(*map(range, space.choices)))


def limited(space: SearchSpace, kind: str) -> Limit:
    """A limit on a `Linear` cost: "free", "hard" (the cheaper 40 % of architectures) or "band" (40 % in the middle).

    With its seed neither the best of `space(4, 3, 5, 2, 4)` nor that of `elastic()` is within the limits.
    """
    limit = Limit(space, Linear(space, seed=7).cost)
    low, middle, high = np.quantile(limit.cost(every(space)), (0.3, 0.4, 0.7))
    return {"free": limit, "hard": limit.within(float(middle)), "band": limit.within(float(high), float(low))}[kind]


def optimum(score: Linear, limit: Limit) -> float:
    """The best score within `limit`."""
    return float(score.cost(limit.filter(every(score.space))).max())


QUICK: dict[str, dict[str, Any]] = {}
"""Constants with which a method learns within a test, where with the published ones it takes thousands of steps."""


def made(name: str, limit: Limit, *, seed: int = 0, budget: int = 100, **constants: Any) -> Any:
    """The strategy of `METHODS[name]`, with the constants of the method, its `QUICK` ones, and others."""
    method = METHODS[name]
    part = method.parts[0]
    given = method.constants_of(part, QUICK.get(name, {}) | constants)
    return part(limit.space, limit, seed=seed, budget=budget, **given)


class Weights(nn.Module):
    """Stands for a supernet: its weights are the losses of the options, (slots, widest slot), from a `Linear`."""

    def __init__(self, losses: Linear) -> None:
        super().__init__()
        self.losses = nn.Parameter(torch.tensor(losses.values, dtype=torch.float32))

    def forward(self, gates: Sequence[Gate]) -> torch.Tensor:
        """The mean over slots of the losses of the options that run, times their weights; a lone index weighs 1."""
        rows = zip(self.losses, gates, strict=True)
        parts = [row[gate.indices[0]] if gate.weights is None else row[list(gate.indices)] @ gate.weights
                 for row, gate in rows]  # fmt: skip
        return torch.stack(parts).mean()


class Toy:
    """A `Held` whose cross-entropy is a sum over slots, on which price × expected cost is put.

    `loss` is exact: no images, no noise. `reward` is 1 less the same of one architecture.
    """

    def __init__(self, losses: Linear, cost: Linear | None = None, price: float = 0.0, rate: float = 0.1) -> None:
        self.supernet, self.cost, self.price = Weights(losses), cost, price
        self.losses, self.part, self.rate = losses, 0.5, rate

    def loss(self, gates: Sequence[Gate]) -> torch.Tensor:
        return self.supernet(gates)

    training_loss = loss

    def joined(self, loss: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
        return loss if self.cost is None else loss + self.price * self.cost.expected(probs)

    def reward(self, arch: Arch) -> float:
        paid = 0.0 if self.cost is None else self.price * self.cost.score(arch)
        return 1 - self.losses.score(arch) - paid
