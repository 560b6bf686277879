"""The graph network of Neural Predictor (Wen et al. 2019, arXiv 1912.00848, §3), for chains of slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
import torch

from ...space.space import Arch

LAYERS, HIDDEN = 3, 128
DECAY, DROPPED = 1e-3, 0.1
BATCH, EPOCHS = 10, 300
STEPS, RATE = 300, 4e-3
"""Updates at most of one fit, and Adam's rate at its start. Published are 300 epochs at a rate of 1e-4, 5100 updates
for 172 scores: with fewer updates the rate is higher. Under ten scores 300 epochs are fewer than these updates."""

CHUNK = 1000
"""Architectures that are predicted at a time."""


def chain(nodes: int) -> np.ndarray:
    """A + I of a chain of `nodes`, each row divided by its sum: (nodes, nodes)."""
    matrix = np.eye(nodes, dtype=np.float32) + np.eye(nodes, k=1, dtype=np.float32)
    return np.asarray(matrix / matrix.sum(1, keepdims=True))


@dataclass(frozen=True)
class Convolution:
    """½ ReLU(A H W⁺) + ½ ReLU(Aᵀ H W⁻) (§3).

    H are nodes `h` (nodes, N, in), the `weights` (2, in, out) W⁺ and W⁻, and `graphs` (2 · nodes, nodes) A above Aᵀ, so
    that both halves are one product.
    """

    graphs: np.ndarray
    weights: np.ndarray

    def run(self, h: np.ndarray) -> tuple[np.ndarray, "_Trace"]:
        """The new nodes (nodes, N, out), and what the gradient needs."""
        mixed = (self.graphs @ h.reshape(len(h), -1)).reshape(2, -1, h.shape[2])
        halves = mixed @ self.weights
        np.maximum(halves, 0, out=halves)
        return ((halves[0] + halves[1]) / 2).reshape(*h.shape[:2], -1), _Trace(mixed, halves > 0)

    def by_weights(self, trace: "_Trace", by_output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """∂L of the weights, and of the halves before their ReLU, from ∂L of the new nodes."""
        by_halves = trace.active * (by_output.reshape(trace.active.shape[1:]) / 2)
        return trace.mixed.transpose(0, 2, 1) @ by_halves, by_halves

    def by_nodes(self, by_halves: np.ndarray) -> np.ndarray:
        """∂L of the nodes (nodes, N, in)."""
        by_mixed = by_halves @ self.weights.transpose(0, 2, 1)
        nodes = self.graphs.shape[1]
        found: np.ndarray = self.graphs.T @ by_mixed.reshape(2 * nodes, -1)
        return found.reshape(nodes, -1, by_mixed.shape[2])


@dataclass(frozen=True)
class _Trace:
    """A H and Aᵀ H, (2, nodes · N, in), and where they are above 0 once they have met their weights."""

    mixed: np.ndarray
    active: np.ndarray


class GraphNetwork:
    """Predicts the score of an architecture from the graph of its slots, with a node for the input and the output.

    A node is described by its option and by its slot, both one-hot: in a chain of unlike slots the mean over nodes
    would else forget where an option stands. Where slots are decisions that many layers share, they still are the
    nodes. Three graph convolutions of `width` units, the mean over nodes, a hidden layer of 128, and the score,
    standardised; the squared error and weight decay are minimised by Adam with a cosine schedule.

    All but Adam is numpy's, with the gradient written out: on so few architectures torch took three times as long.
    """

    def __init__(self, choices: Sequence[int], archs: Sequence[Arch], scores: Sequence[float], width: int, seed: int):
        """Fit to `scores` of `archs`, whose slots have `choices` options; the same seed gives the same predictions."""
        self.choices, graph = choices, chain(len(choices) + 2)
        self._rng = np.random.default_rng(seed)
        x, target = self._nodes(archs), np.array(scores, np.float32)
        self._mean, self._deviation = target.mean(), max(target.std(), np.float32(1e-6))
        widths = (x.shape[-1], *[width] * LAYERS)
        pairs = [(2, *sizes) for sizes in pairwise(widths)]
        self.weights = self._initial([*pairs, (width, HIDDEN), (HIDDEN,), (HIDDEN, 1)])
        self.layers = [Convolution(np.concatenate([graph, graph.T]), weights) for weights in self.weights[:LAYERS]]
        self._fit(x, (target - self._mean) / self._deviation)

    def predict(self, archs: Sequence[Arch]) -> np.ndarray:
        """The scores that it expects, (N,)."""
        parts = [self._scores(self._nodes(archs[i : i + CHUNK])) for i in range(0, len(archs), CHUNK)]
        return np.asarray(np.concatenate(parts) * self._deviation + self._mean, np.float64)

    def gradients(self, x: np.ndarray, target: np.ndarray, kept: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """The mean squared error of nodes `x` (nodes, N, features) to `target` (N,), and ∂ of it of all `weights`.

        `kept` (N, `HIDDEN`) multiplies the hidden units: 0 for those that are dropped.
        """
        h, traces = self._convolved(x)
        hidden, bias, last = self.weights[-3:]
        mean = h.mean(0)
        units = np.maximum(mean @ hidden + bias, 0)
        error = ((units * kept) @ last)[:, 0] - target
        by_score = (2 / len(target) * error)[:, None]
        by_units = by_score * last.T * kept * (units > 0)
        found = [mean.T @ by_units, by_units.sum(0), (units * kept).T @ by_score]
        by_nodes = np.broadcast_to(by_units @ hidden.T / len(h), h.shape)
        for layer, trace in reversed(list(zip(self.layers, traces, strict=True))):
            by_weights, by_halves = layer.by_weights(trace, by_nodes)
            found = [by_weights, *found]
            if layer is not self.layers[0]:
                by_nodes = layer.by_nodes(by_halves)
        return float(error @ error / len(target)), found

    def _initial(self, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        """Weights by He's initialisation, biases 0: parts of `flat`, which Adam moves at once."""
        sizes = [prod(shape) for shape in shapes]
        self.flat = np.empty(sum(sizes), np.float32)
        parts = np.split(self.flat, np.cumsum(sizes)[:-1])
        weights = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        for weight in weights:
            weight[:] = self._rng.normal(0, (2 / weight.shape[-2]) ** 0.5, weight.shape) if weight.ndim > 1 else 0
        return weights

    def _nodes(self, archs: Sequence[Arch]) -> np.ndarray:
        """(slots + 2, N, features): options come after the two kinds of end, `input` and `output`."""
        options = np.asarray(archs, np.int64) + 2
        kinds = np.pad(options.T, ((1, 1), (0, 0)))
        kinds[-1] = 1
        nodes = len(kinds)
        places = np.broadcast_to(np.eye(nodes, dtype=np.float32)[:, None], (nodes, len(options), nodes))
        return np.concatenate([np.eye(max(self.choices) + 2, dtype=np.float32)[kinds], places], axis=2)

    def _convolved(self, h: np.ndarray) -> tuple[np.ndarray, list[_Trace]]:
        traces = []
        for layer in self.layers:
            h, trace = layer.run(h)
            traces.append(trace)
        return h, traces

    def _scores(self, x: np.ndarray) -> np.ndarray:
        hidden, bias, last = self.weights[-3:]
        scores: np.ndarray = (np.maximum(self._convolved(x)[0].mean(0) @ hidden + bias, 0) @ last)[:, 0]
        return scores

    def _fit(self, x: np.ndarray, target: np.ndarray) -> None:
        updates = min(STEPS, -(-EPOCHS * len(target) // BATCH))
        flat = torch.from_numpy(self.flat)
        flat.grad = torch.zeros_like(flat)
        gradient = flat.grad.numpy()
        optimizer = torch.optim.Adam([flat], RATE, weight_decay=DECAY, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
        epochs = -(-updates * BATCH // len(target))
        order = self._rng.permuted(np.tile(np.arange(len(target)), (epochs, 1)), axis=1).ravel()
        kept = (self._rng.random((updates, BATCH, HIDDEN), np.float32) >= DROPPED) / np.float32(1 - DROPPED)
        for update in range(updates):
            rows = order[update * BATCH : (update + 1) * BATCH]
            _, found = self.gradients(x[:, rows], target[rows], kept[update, : len(rows)])
            np.concatenate([part.ravel() for part in found], out=gradient)
            optimizer.step()
            schedule.step()
