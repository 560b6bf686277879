"""Several MLPs fitted to the same scores at once: their mean is what they predict, their spread how unsure it is."""

from dataclasses import dataclass

import numpy as np
import torch

STEPS = 200
"""Updates at most of one fit: a search of a thousand evaluations would else spend minutes fitting."""


@dataclass(frozen=True)
class Shape:
    """`members` MLPs of `depth` hidden layers of `width` units, with ReLU.

    They minimise the mean absolute error for `epochs`, but for no more than `STEPS` updates, by Adam at rate `lr`.
    With `folds` each member sees all but its own share of the scores, one in `members`.
    """

    depth: int
    width: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    members: int = 5
    epochs: int = 200
    batch: int = 32
    folds: bool = False


class Ensemble:
    """Predicts scores from features. Each member has first weights of its own, and its own order of the batches."""

    def __init__(self, shape: Shape, x: np.ndarray, y: np.ndarray, seed: int) -> None:
        """Fit to scores `y` (N,) of features `x` (N, features); the same seed gives the same predictions."""
        self.shape, self._generator = shape, torch.Generator().manual_seed(seed)
        scores = torch.as_tensor(y, dtype=torch.float32)
        self._mean, self._deviation = scores.mean(), scores.std(correction=0).clamp_min(1e-6)
        self._weights, self._biases = self._initial(x.shape[1])
        self._fit(torch.as_tensor(x, dtype=torch.float32), (scores - self._mean) / self._deviation)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The score that each member expects of features `x` (N, features): (members, N)."""
        with torch.no_grad():
            found = self._forward(torch.as_tensor(x, dtype=torch.float32).expand(self.shape.members, *x.shape))
        return (found * self._deviation + self._mean).double().numpy()

    def _initial(self, inputs: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Weights and biases of the first layer, all other hidden ones, and the last: He's initialisation, and 0."""
        members, depth, width = self.shape.members, self.shape.depth, self.shape.width
        sizes = [(members, inputs, width), (depth - 1, members, width, width), (members, width, 1)]
        weights = [torch.randn(size, generator=self._generator) * (2 / size[-2]) ** 0.5 for size in sizes]
        biases = [torch.zeros(*size[:-2], 1, size[-1]) for size in sizes]
        return [weight.requires_grad_() for weight in weights], [bias.requires_grad_() for bias in biases]

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        """(members, N, features) to (members, N)."""
        (first, hidden, last), (bias, biases, offset) = self._weights, self._biases
        x = torch.baddbmm(bias, x, first).relu()
        for weight, shift in zip(hidden.unbind(), biases.unbind(), strict=True):
            x = torch.baddbmm(shift, x, weight).relu()
        return torch.baddbmm(offset, x, last).squeeze(2)

    def _fit(self, x: torch.Tensor, target: torch.Tensor) -> None:
        optimizer = torch.optim.Adam([*self._weights, *self._biases], self.shape.lr, betas=self.shape.betas)
        for rows in self._order(len(x)).split(self.shape.batch, dim=1)[:STEPS]:  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            (self._forward(x[rows]) - target[rows]).abs().mean(1).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def _order(self, count: int) -> torch.Tensor:
        """The rows that each member sees, one epoch after the other: (members, seen)."""
        members, epochs = self.shape.members, self.shape.epochs
        folds = self.shape.folds and count >= members
        each = count - -(-count // members) if folds else count  # as many for all, where folds differ by one
        orders = []
        for member in range(members):
            rows = torch.arange(count)
            if folds:
                rows = rows[rows % members != member]
            seen = [torch.randperm(len(rows), generator=self._generator)[:each] for _ in range(epochs)]
            orders.append(rows[torch.cat(seen)])
        return torch.stack(orders)
