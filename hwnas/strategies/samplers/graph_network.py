"""The graph network of Neural Predictor (Wen et al. 2019, arXiv 1912.00848, §3), for chains of slots."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import mse_loss, one_hot

from ...space.space import Arch

LAYERS, HIDDEN = 3, 128
DECAY, DROPPED = 1e-3, 0.1
BATCH, EPOCHS = 10, 300
STEPS, RATE = 300, 4e-3
"""Updates at most of one fit, and Adam's rate at its start. Published are 300 epochs at a rate of 1e-4, 5100 updates
for 172 scores: with fewer updates the rate is higher. Under ten scores 300 epochs are fewer than these updates."""

CHUNK = 1000
"""Architectures that are predicted at a time."""


def chain(nodes: int) -> torch.Tensor:
    """A + I of a chain of `nodes`, each row divided by its sum: (nodes, nodes)."""
    matrix = torch.eye(nodes) + torch.diag(torch.ones(nodes - 1), 1)
    return matrix / matrix.sum(1, keepdim=True)


def convolved(h: torch.Tensor, graph: torch.Tensor, onward: torch.Tensor, backward: torch.Tensor) -> torch.Tensor:
    """½ ReLU(A H W⁺) + ½ ReLU(Aᵀ H W⁻) (§3): nodes `h` (N, nodes, in), A `graph`, weights (in, out)."""
    mixed: torch.Tensor = 0.5 * ((graph @ h @ onward).relu() + (graph.T @ h @ backward).relu())
    return mixed


class GraphNetwork:
    """Predicts the score of an architecture from the graph of its slots, with a node for the input and the output.

    A node is described by its option and by its slot, both one-hot: in a chain of unlike slots the mean over nodes
    would else forget where an option stands. Where slots are decisions that many layers share, they still are the
    nodes. Three graph convolutions of `width` units, the mean over nodes, a hidden layer of 128, and the score,
    standardised; the squared error and weight decay are minimised by Adam with a cosine schedule.
    """

    def __init__(self, choices: Sequence[int], archs: Sequence[Arch], scores: Sequence[float], width: int, seed: int):
        """Fit to `scores` of `archs`, whose slots have `choices` options; the same seed gives the same predictions."""
        self.choices, self.graph = choices, chain(len(choices) + 2)
        self._generator = torch.Generator().manual_seed(seed)
        x, target = self._nodes(archs), torch.tensor(scores, dtype=torch.float32)
        self._mean, self._deviation = target.mean(), target.std(correction=0).clamp_min(1e-6)
        widths = (x.shape[2], *[width] * LAYERS)
        self._layers = [(self._initial(n, width), self._initial(n, width)) for n in widths[:-1]]
        self._hidden, self._last = self._initial(width, HIDDEN), self._initial(HIDDEN, 1)
        self._bias = torch.zeros(HIDDEN, requires_grad=True)
        self._fit(x, (target - self._mean) / self._deviation)

    def predict(self, archs: Sequence[Arch]) -> np.ndarray:
        """The scores that it expects, (N,)."""
        with torch.no_grad():
            parts = [self._forward(self._nodes(archs[i : i + CHUNK])) for i in range(0, len(archs), CHUNK)]
        return (torch.cat(parts) * self._deviation + self._mean).double().numpy()

    def _initial(self, rows: int, columns: int) -> torch.Tensor:
        """Weights by He's initialisation."""
        weights: torch.Tensor = torch.randn(rows, columns, generator=self._generator) * (2 / rows) ** 0.5
        return weights.requires_grad_()

    def _nodes(self, archs: Sequence[Arch]) -> torch.Tensor:
        """(N, slots + 2, features): options come after the two kinds of end, `input` and `output`."""
        options = torch.as_tensor(np.asarray(archs, np.int64)) + 2
        ends = torch.tensor([0, 1]).expand(len(options), 2)
        kinds = one_hot(torch.cat([ends[:, :1], options, ends[:, 1:]], dim=1), max(self.choices) + 2).float()
        places = torch.eye(kinds.shape[1]).expand(len(options), -1, -1)
        return torch.cat([kinds, places], dim=2)

    def _forward(self, h: torch.Tensor, kept: torch.Tensor | float = 1.0) -> torch.Tensor:
        for onward, backward in self._layers:
            h = convolved(h, self.graph, onward, backward)
        hidden = (h.mean(1) @ self._hidden + self._bias).relu()
        scores: torch.Tensor = (hidden * kept @ self._last).squeeze(1)
        return scores

    def _fit(self, x: torch.Tensor, target: torch.Tensor) -> None:
        parameters = [*(weight for pair in self._layers for weight in pair), self._hidden, self._bias, self._last]
        updates = min(STEPS, -(-EPOCHS * len(x) // BATCH))
        optimizer = torch.optim.Adam(parameters, RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
        epochs = -(-updates * BATCH // len(x))
        order = torch.cat([torch.randperm(len(x), generator=self._generator) for _ in range(epochs)])
        for rows in order.split(BATCH)[:updates]:  # type: ignore[no-untyped-call]
            kept = torch.rand(len(rows), HIDDEN, generator=self._generator) >= DROPPED
            optimizer.zero_grad()
            mse_loss(self._forward(x[rows], kept / (1 - DROPPED)), target[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
