"""A policy without memory: one logit an option, every slot for itself (TuNAS, 2008.06120, §3; 1812.00332, §3.3.2)."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn


def absent_options(choices: Sequence[int]) -> torch.Tensor:
    """Which options slots of so many choices do not have: bool, (slots, widest slot)."""
    return torch.arange(max(choices)) >= torch.tensor(choices)[:, None]


class Factorised(nn.Module):
    """Architectures to the log-probability of every option, the same for all of them.

    The logits are 0 at first, or sampled from N(0, `spread`²) with `generator`.
    """

    absent: torch.Tensor

    def __init__(self, choices: Sequence[int], generator: torch.Generator, *, spread: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("absent", absent_options(choices), persistent=False)
        self.logits = nn.Parameter(spread * torch.randn(self.absent.shape, generator=generator))

    def forward(self, archs: torch.Tensor) -> torch.Tensor:
        """Indices (N, slots) to (N, slots, widest slot); −∞ beyond the end of a narrow slot."""
        logs = self.logits.masked_fill(self.absent, -torch.inf).log_softmax(1)
        return logs.expand(len(archs), -1, -1)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """`count` architectures sampled with `generator`: indices (count, slots)."""
        probs = self.logits.masked_fill(self.absent, -torch.inf).softmax(1)
        return torch.multinomial(probs, count, replacement=True, generator=generator).T

    def samples(self, count: int, generator: torch.Generator, first: int) -> Iterator[torch.Tensor]:
        """The same in parts, of which there is one."""
        return iter([self.sample(count, generator)])
