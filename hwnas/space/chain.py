"""Writing a network down block after block, each taking its channels and its size from the one before."""

from dataclasses import replace
from typing import Any

from .block import Block, Op
from .net import Net


def round_channels(channels: float, divisor: int = 8) -> int:
    """Nearest multiple of `divisor`, never under 90 % of `channels` (the rule of MobileNetV2's released code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class Chain:
    """The blocks so far of a network for square images of three channels, `resolution` pixels a side."""

    def __init__(self, resolution: int) -> None:
        self.blocks: list[Block] = []
        self.channels = 3
        self.size = (resolution, resolution)

    def add(self, op: Op, cout: int, **fields: Any) -> None:
        """Append a block that gives `cout` channels; `fields` are those of `Block` that have defaults."""
        self._append(Block(op, self.channels, cout, *self.size, **fields))

    def add_like(self, block: Block, **changes: Any) -> None:
        """Append `block` as it is here: on these channels and this size, and with `changes` of its other fields."""
        height, width = self.size
        self._append(replace(block, cin=self.channels, height=height, width=width, **changes))

    def net(self, name: str, eps: float = 1e-5) -> Net:
        """The network of all blocks."""
        return Net(tuple(self.blocks), name, eps)

    def _append(self, block: Block) -> None:
        self.blocks.append(block)
        self.channels, self.size = block.cout, block.out
