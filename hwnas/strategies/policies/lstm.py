"""A layer of an LSTM in numpy, with its gradient (Hochreiter & Schmidhuber 1997; forget gates: Gers et al. 2000).

With the present input x and the last output h and cell c, rows of the weights in the order of `torch.nn.LSTM`:

    (zi, zf, zg, zo) = W·x + b + U·h        i, f, o = σ(zi), σ(zf), σ(zo)        g = tanh(zg)
    c′ = f∘c + i∘g                          h′ = o∘tanh(c′)

A controller of networks is so small that each operation of torch takes ten times as long to start as to compute; numpy
starts them in about a third of that time, and a gradient that is written out needs far fewer.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

FEW = 4
"""Rows for which another order of the weights does not pay."""
HALF = {
    kind: (np.array([[0.5], [0.5], [1.0], [0.5]], kind), np.array([[0.5], [0.5], [0.0], [0.5]], kind)) for kind in "fd"
}
"""By type, ½ for i, f and o and 1 for g, and what is missing to 1."""


@dataclass(frozen=True)
class Trace:
    """What a layer computed in S steps for N sequences, of u units: all that its gradient needs."""

    gates: np.ndarray
    """i, f, g and o, (S, N, 4, u)."""
    cells: np.ndarray
    """c before the first step and after each, (S + 1, N, u)."""
    hidden: np.ndarray
    """h likewise."""


@dataclass(frozen=True)
class LstmLayer:
    """The weights of one layer, or their gradient."""

    inputs: np.ndarray
    """W, (4u, width of the input)."""
    hidden: np.ndarray
    """U, (4u, u)."""
    bias: np.ndarray
    """b, (4u,)."""

    @cached_property
    def across(self) -> np.ndarray:
        """Uᵀ in an order of its own, by which products with several rows take a third of the time."""
        return np.ascontiguousarray(self.hidden.T)

    def drive(self, x: np.ndarray) -> np.ndarray:
        """W·x + b for inputs (..., width): (..., 4u)."""
        flat = x.reshape(-1, x.shape[-1]) @ self.inputs.T  # one product, where several small ones take longer
        flat += self.bias
        return np.asarray(flat.reshape(*x.shape[:-1], len(self.bias)))

    def step(self, driven: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """h′ and c′ from `driven` (N or 1, 4u) and h and c (N, u)."""
        gates, after = np.empty((len(h), 4, h.shape[1]), h.dtype), (np.empty_like(h), np.empty_like(c))
        self._step(driven, h, c, gates, *after)
        return after

    def _step(
        self, driven: np.ndarray, h: np.ndarray, c: np.ndarray, gates: np.ndarray, to_h: np.ndarray, to_c: np.ndarray
    ) -> None:
        """One step, written to `gates` (N, 4, u), `to_h` and `to_c`."""
        flat = gates.reshape(len(h), -1)
        np.matmul(h, self.across if len(h) > FEW else self.hidden.T, out=flat)
        flat += driven
        half, rest = HALF[gates.dtype.char]  # σ(z) = ½ + ½·tanh(½z): one tanh for all gates
        gates *= half
        np.tanh(gates, out=gates)
        gates *= half
        gates += rest
        np.multiply(gates[:, 1], c, out=to_c)
        to_c += gates[:, 0] * gates[:, 2]
        np.tanh(to_c, out=to_h)
        to_h *= gates[:, 3]

    def run(self, driven: np.ndarray) -> Trace:
        """All steps, from h = c = 0; `driven` (S, N, 4u)."""
        steps, count, units = *driven.shape[:2], self.hidden.shape[1]
        gates = np.empty((steps, count, 4, units), driven.dtype)
        cells, hidden = (np.zeros((steps + 1, count, units), driven.dtype) for _ in range(2))
        for t in range(steps):
            self._step(driven[t], hidden[t], cells[t], gates[t], hidden[t + 1], cells[t + 1])
        return Trace(gates, cells, hidden)

    def backward(self, trace: Trace, x: np.ndarray, gradient: np.ndarray) -> tuple["LstmLayer", np.ndarray]:
        """∂L of the weights and of the inputs `x` (S, N, width), from ∂L/∂h (S, N, u) of what is above this layer.

        Through time, with δ the derivative by z: ∂h = above + Uᵀ·δ of the next step; ∂c = f of the next step ∘ ∂c there
        + ∂h∘o∘(1 − tanh²c′); δ = (∂c∘g∘i∘(1 − i), ∂c∘c∘f∘(1 − f), ∂c∘i∘(1 − g²), ∂h∘tanh c′∘o∘(1 − o)).
        """
        i, f, g, o = np.ascontiguousarray(trace.gates.transpose(2, 0, 1, 3))
        bent, by_cell = np.tanh(trace.cells[1:]), np.empty((*i.shape[:2], 3, i.shape[2]), i.dtype)
        by_cell[:, :, 0], by_cell[:, :, 1] = g * i * (1 - i), trace.cells[:-1] * f * (1 - f)
        by_cell[:, :, 2] = i * (1 - g * g)
        by_hidden, through = bent * o * (1 - o), o * (1 - bent * bent)
        delta, dh, dc = np.empty(trace.gates.shape, trace.gates.dtype), gradient[-1], np.zeros_like(gradient[-1])
        for t in reversed(range(len(delta))):
            dc += dh * through[t]
            np.multiply(dc[:, None], by_cell[t], out=delta[t, :, :3])
            np.multiply(dh, by_hidden[t], out=delta[t, :, 3])
            if t:
                dh = gradient[t - 1] + delta[t].reshape(len(dh), -1) @ self.hidden
                dc *= f[t]
        flat = delta.reshape(-1, len(self.bias))
        before = trace.hidden[:-1].reshape(len(flat), -1)
        weights = LstmLayer(flat.T @ x.reshape(len(flat), -1), flat.T @ before, flat.sum(0))
        return weights, (flat @ self.inputs).reshape(x.shape)
