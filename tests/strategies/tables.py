"""Losses that can be listed: a number for every architecture of three slots, and gradients that are exact."""

from collections.abc import Iterator
from functools import partial
from itertools import product

import torch
from toys import make, space

from hwnas.space.space import Arch
from hwnas.strategies.limit import Limit
from hwnas.strategies.relaxations.softmax import Softmax

CHOICES = (3, 2, 3)


def build(kind: type[Softmax], *, choices: Arch = CHOICES, shapes: tuple[int, ...] = (), **constants) -> Softmax:
    """A relaxation of three slots, in float64, with α of deviation 1; the options of slots `shapes` differ in shape."""
    if isinstance(kind, partial):
        kind, constants = kind.func, kind.keywords | constants
    toy = space(*choices)
    vars(toy)["mixable"] = tuple(slot not in shapes for slot in range(len(choices)))
    chosen = make(kind, Limit.none(toy), **{"seed": 0, "budget": 100, "init_std": 1.0, **constants})
    chosen.alpha = chosen.alpha.detach().double().requires_grad_()
    return chosen


class Table:
    """A number in 1 to 2 for each architecture; of a mixed network, their mean with the product of its weights."""

    def __init__(self, choices: Arch = CHOICES) -> None:
        self.values = 1 + torch.rand(choices, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def loss(self, gates) -> torch.Tensor:
        rows = []
        for gate, n in zip(gates, self.values.shape, strict=True):
            weights = torch.ones(1) if gate.weights is None else gate.weights
            rows.append(torch.zeros(n, dtype=torch.float64).index_add(0, torch.tensor(gate.indices), weights.double()))
        return torch.einsum("abc,a,b,c->", self.values, *rows)

    def gradient(self, alpha: torch.Tensor) -> torch.Tensor:
        """∇_α of the expected loss of an architecture drawn by softmax(α)."""
        alpha = alpha.detach().requires_grad_()
        rows = [alpha[slot, :n].softmax(0) for slot, n in enumerate(self.values.shape)]
        return torch.autograd.grad(torch.einsum("abc,a,b,c->", self.values, *rows), alpha)[0]


def one_step(chosen: Softmax, table: Table) -> torch.Tensor:
    """The gradient of α in one architecture step, which is not taken."""
    loss = chosen.with_policy_gradient(table.loss(chosen.gates()))
    return torch.autograd.grad(loss, chosen.alpha)[0]


def forced(chosen: Softmax) -> Iterator[float]:
    """Makes `chosen` draw one architecture after the other, and gives the probability of each."""
    p = chosen.distribution()
    for arch in product(*map(range, chosen.space.choices)):
        chosen.sampled = torch.tensor(arch)
        chosen.sample = lambda: chosen.sampled
        yield float(p[torch.arange(len(arch)), chosen.sampled].prod())


def mean_gradient(chosen: Softmax, table: Table) -> torch.Tensor:
    """The gradient of one step with a baseline of 1.3, exactly averaged over what can be drawn."""
    mean = torch.zeros_like(chosen.alpha)
    for probability in forced(chosen):
        chosen.baseline = 1.3
        mean += probability * one_step(chosen, table)
    return mean.detach()
