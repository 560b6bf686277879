"""The recurrent controller: an LSTM that names one option after the other (Zoph & Le 2016, arXiv 1611.01578, §3.1)."""

from collections.abc import Sequence

import torch
from torch import nn

from .factorised import absent_options


class Controller(nn.Module):
    """Architectures to the log-probability of every option, each given the options before it.

    At each slot the LSTM reads an embedding of the option chosen at the slot before, of which every option of every
    slot has its own, and a head of the slot turns its output h into logits: those over `temperature`, and then
    `tanh`·tanh of them where `tanh` is not 0 (Bello et al. 2016, 1611.09940, as in 1802.03268, §3.2). All weights are
    sampled from U(−`init`, `init`) with `generator`.
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
        self.start = nn.Parameter(torch.empty(units))
        self.embeddings = nn.Parameter(torch.empty(slots - 1, width, units))
        # On the meta device it draws no initial weights, which would come from torch's own generator.
        self.lstm = nn.LSTM(units, units, layers, batch_first=True, device="meta").to_empty(device="cpu")
        self.heads = nn.Parameter(torch.empty(slots, units, width))
        self.biases = nn.Parameter(torch.empty(slots, width))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-init, init, generator=generator)

    def forward(self, archs: torch.Tensor) -> torch.Tensor:
        """Indices (N, slots) to (N, slots, widest slot); −∞ beyond the end of a narrow slot."""
        before = self.embeddings[torch.arange(len(self.embeddings)), archs[:, :-1]]
        hidden, _ = self.lstm(torch.cat([self.start.expand(len(archs), 1, -1), before], 1))
        logits = torch.einsum("nsu,suw->nsw", hidden, self.heads) + self.biases
        return self._squash(logits).masked_fill(self.absent, -torch.inf).log_softmax(2)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """`count` architectures sampled with `generator`: indices (count, slots)."""
        inputs, state, samples = self.start.expand(count, -1), None, []
        for slot, (head, bias) in enumerate(zip(self.heads, self.biases, strict=True)):
            hidden, state = self.lstm(inputs[:, None], state)
            logits = self._squash(hidden[:, 0] @ head + bias).masked_fill(self.absent[slot], -torch.inf)
            samples.append(torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0])
            if slot < len(self.embeddings):
                inputs = self.embeddings[slot, samples[-1]]
        return torch.stack(samples, 1)

    def _squash(self, logits: torch.Tensor) -> torch.Tensor:
        logits = logits / self.temperature
        return self.tanh * logits.tanh() if self.tanh else logits
