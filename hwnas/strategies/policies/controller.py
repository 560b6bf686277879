"""The recurrent controller: an LSTM that names one option after the other (Zoph & Le 2016, arXiv 1611.01578, §3.1)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from .factorised import absent_options
from .lstm import LstmLayer, Trace


class Controller(nn.Module):
    """Architectures to the log-probability of every option, each given the options before it.

    At each slot the LSTM reads an embedding of the option chosen at the slot before, of which every option of every
    slot has its own, and a head of the slot turns its output h into logits: those over `temperature`, and then
    `tanh`·tanh of them where `tanh` is not 0 (Bello et al. 2016, 1611.09940, as in 1802.03268, §3.2). All weights are
    sampled from U(−`init`, `init`) with `generator`.

    The weights are torch's, for its optimisers and files; what is computed from them is numpy's, one node of torch's
    graph, whose gradient can be taken once. All are parts of `flat`, of which an optimiser takes steps at once.
    """

    absent: torch.Tensor

    def __init__(
        self,
        choices: Sequence[int],
        generator: torch.Generator,
        *,
        layers: int,
        units: int,
        init: float,
        temperature: float = 1.0,
        tanh: float = 0.0,
    ) -> None:
        super().__init__()
        slots, width = len(choices), max(choices)
        self.temperature, self.tanh = temperature, tanh
        self.register_buffer("absent", absent_options(choices), persistent=False)
        self._beyond = np.where(self.absent.numpy(), np.float32(-np.inf), np.float32(0))
        self.start = nn.Parameter(torch.empty(units))
        self.embeddings = nn.Parameter(torch.empty(slots - 1, width, units))
        # On the meta device it draws no initial weights, which would come from torch's own generator.
        self.lstm = nn.LSTM(units, units, layers, batch_first=True, device="meta").to_empty(device="cpu")
        self.heads = nn.Parameter(torch.empty(slots, units, width))
        self.biases = nn.Parameter(torch.empty(slots, width))
        self.weights = list(self.parameters())  # found once
        with torch.no_grad():
            for parameter in self.weights:
                parameter.uniform_(-init, init, generator=generator)
        self._join()

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "Controller":
        """As of any module, as where it gets another type; its memory is then another's."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._join()
        return self

    def _join(self) -> None:
        """Make the weights parts of one piece of memory, `flat`, and note them as arrays: both found once, as
        optimisers and state dicts change them in place."""
        self.flat = torch.cat([weight.detach().flatten() for weight in self.weights])
        for weight, part in zip(self.weights, self.parts(self.flat), strict=True):
            weight.data = part
        self._start, self._embeddings, self._heads, self._biases = (
            weight.detach().numpy() for weight in (self.start, self.embeddings, self.heads, self.biases)
        )
        self._lstm_weights = [[weight.detach().numpy() for weight in layer] for layer in self.lstm.all_weights]

    def parts(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """What of a tensor like `flat` is of each weight, in its shape and the same memory."""
        parts = torch.split(flat, [weight.numel() for weight in self.weights])
        return [part.view(weight.shape) for part, weight in zip(parts, self.weights, strict=True)]

    def forward(self, archs: torch.Tensor) -> torch.Tensor:
        """Indices (N, slots) to (N, slots, widest slot); −∞ beyond the end of a narrow slot."""
        logs: torch.Tensor = _LogProbs.apply(self, archs, *self.weights)  # type: ignore[no-untyped-call]
        return logs

    def look(self, archs: torch.Tensor) -> "Look":
        """The same in numpy, with what its gradient needs."""
        heads, biases, embeddings = self._heads, self._biases, self._embeddings
        layers, chosen = self.lstm_layers(), archs.numpy().T
        x = np.empty((len(heads), len(archs), heads.shape[1]), heads.dtype)
        x[0], x[1:] = self._start, embeddings[np.arange(len(embeddings))[:, None], chosen[:-1]]
        inputs, traces = [], list[Trace]()
        for layer in layers:
            inputs.append(x)
            traces.append(layer.run(layer.drive(x)))
            x = traces[-1].hidden[1:]
        squashed = self.squash(x @ heads + biases[:, None])
        logits = squashed + self._beyond[:, None]
        logits -= logits.max(2, keepdims=True)
        probs = np.exp(logits)
        total = probs.sum(2, keepdims=True)
        return Look(chosen, logits - np.log(total), probs / total, squashed, layers, inputs, traces)

    def gradients(self, look: "Look", by_log: np.ndarray) -> list[np.ndarray]:
        """∂L of every parameter, in their order, from ∂L/∂log p (slots, N, widest slot)."""
        heads, hidden = self._heads, look.traces[-1].hidden[1:]
        by_logit = by_log - look.probs * by_log.sum(2, keepdims=True)
        by_logit *= self.squash_slope(look.squashed)
        found, above = list[np.ndarray](), by_logit @ heads.transpose(0, 2, 1)
        for layer, trace, x in reversed(list(zip(look.layers, look.traces, look.inputs, strict=True))):
            weights, above = layer.backward(trace, x, above)
            found = [weights.inputs, weights.hidden, weights.bias, weights.bias, *found]
        options = np.arange(heads.shape[2])[:, None] == look.chosen[:-1, None]  # (slots - 1, widest slot, N)
        embeddings = options.astype(heads.dtype) @ above[1:]
        return [above[0].sum(0), embeddings, hidden.transpose(0, 2, 1) @ by_logit, by_logit.sum(1), *found]

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """`count` architectures sampled with `generator`: indices (count, slots)."""
        return torch.cat(list(self.samples(count, generator, count)))

    def samples(self, count: int, generator: torch.Generator, first: int) -> Iterator[torch.Tensor]:
        """The same in parts, each computed when it is asked for: `first` of them, and then as many as there were. The
        random numbers are taken at once, and the weights are to stay as they are until the last part."""
        shape, dtype = (count, self.absent.shape[1]), self.heads.dtype
        noise = [torch.empty(shape, dtype=dtype).exponential_(generator=generator).numpy() for _ in self.absent]
        # The largest of p / exponential noise, or of log p − log noise, is a sample by p, as in torch.multinomial.
        gumbel = -np.log(np.maximum(np.stack(noise), np.finfo(noise[0].dtype).tiny))
        return self._decode(gumbel + self._beyond[:, None], first)

    def _decode(self, gumbel: np.ndarray, first: int) -> Iterator[torch.Tensor]:
        """The samples that Gumbel noise (slots, count, widest slot) makes."""
        layers, heads, biases = self.lstm_layers(), self._heads, self._biases
        start, embedded = (layers[0].drive(inputs) for inputs in (self._start, self._embeddings))
        done, count = 0, gumbel.shape[1]
        while done < count:
            end = min(count, max(first, 2 * done))
            zeros = np.zeros((end - done, heads.shape[1]), heads.dtype)
            states, chosen = [(zeros, zeros)] * len(layers), np.empty((end - done, len(heads)), np.int64)
            for slot, head in enumerate(heads):
                driven = embedded[slot - 1, chosen[:, slot - 1]] if slot else start[None]
                for index, layer in enumerate(layers):
                    driven = layer.drive(states[index - 1][0]) if index else driven
                    states[index] = layer.step(driven, *states[index])
                logits = self.squash(states[-1][0] @ head + biases[slot])
                logits += gumbel[slot, done:end]
                chosen[:, slot] = logits.argmax(1)
            yield torch.from_numpy(chosen)
            done = end

    def squash(self, logits: np.ndarray) -> np.ndarray:
        """The heads' `logits` over the temperature, and bounded."""
        logits = logits if self.temperature == 1 else logits / self.temperature
        return np.tanh(logits) * self.tanh if self.tanh else logits

    def squash_slope(self, squashed: np.ndarray) -> np.ndarray | float:
        """The derivative of `squash`, from its result."""
        slope = self.tanh - squashed**2 / self.tanh if self.tanh else 1.0
        return slope / self.temperature

    def lstm_layers(self) -> list[LstmLayer]:
        """The layers of the LSTM; torch has two biases for each, which are added up."""
        return [LstmLayer(inputs, hidden, one + other) for inputs, hidden, one, other in self._lstm_weights]


@dataclass(frozen=True)
class Look:
    """What a controller said of N architectures."""

    chosen: np.ndarray
    """Their indices, (slots, N)."""
    logs: np.ndarray
    """Log-probability of every option, (slots, N, widest slot), and its exponential:"""
    probs: np.ndarray
    squashed: np.ndarray
    """The logits."""
    layers: list[LstmLayer]
    inputs: list[np.ndarray]
    """What each layer read, (slots, N, units)."""
    traces: list[Trace]

    @property
    def taken(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where in `logs` the options are that the architectures have."""
        return np.arange(len(self.chosen))[:, None], np.arange(self.chosen.shape[1]), self.chosen


class _LogProbs(torch.autograd.Function):
    """Log-probabilities as `Controller.forward` gives them."""

    @staticmethod
    def forward(ctx: Any, controller: Controller, archs: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        ctx.controller, ctx.look = controller, controller.look(archs)
        return torch.from_numpy(ctx.look.logs).transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        found = ctx.controller.gradients(ctx.look, gradient.numpy().transpose(1, 0, 2))
        return None, None, *(torch.tensor(one) for one in found)
