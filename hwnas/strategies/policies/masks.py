"""Slots of different width in one tensor."""

from collections.abc import Sequence

import torch


def absent(choices: Sequence[int]) -> torch.Tensor:
    """Which options there are not, in slots of so many: bool, (slots, widest slot)."""
    return torch.arange(max(choices)) >= torch.tensor(choices)[:, None]
