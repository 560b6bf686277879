"""What stands at one position of a supernet: its candidates, in groups that share weights."""

from collections.abc import Sequence
from functools import cache, partial
from itertools import chain
from typing import Literal

import torch
from torch import nn

from ..space.net import Block, Layer
from ..space.space import Position
from .blocks import fork, initialise, join, modules
from .gates import Gate, mixed
from .shared import SHARED, Kernels, Named

Sharing = Literal["separate", "collapsed"]
"""Which candidates of a position share weights.

`separate`: those that differ in channels alone, so in a space of independent slots none (1812.00332; 1802.03268).
`collapsed`: all of the same op, whatever their kernel and expansion (2008.06120, §4.4; 1908.09791; 2003.11142).
Either way a convolution in groups that is not depthwise is shared only where its channels agree: the first channels of
a larger one lie in other groups.
"""


@cache
def _weightless(layer: Layer) -> nn.Module:
    """The module of a layer that has no weights, which any number of places can use."""
    return nn.Sequential(*(module for _, module in modules(layer)))


class SharedPath(nn.Module):
    """The layers of one path of a block by name, of sizes that all of `walks` can use."""

    def __init__(self, walks: Sequence[Sequence[Layer]], eps: float, kernels: Kernels) -> None:
        super().__init__()
        by_name: dict[str, list[Layer]] = {}
        for layer in chain(*walks):
            if layer.kind in SHARED:
                by_name.setdefault(layer.name, []).append(layer)
        for name, layers in by_name.items():
            self.add_module(name, SHARED[layers[0].kind](layers, eps, kernels))

    def forward(self, x: torch.Tensor, layers: Sequence[Layer]) -> torch.Tensor:
        """Run `layers` in order."""
        for layer in layers:
            x = getattr(self, layer.name)(x, layer) if layer.kind in SHARED else _weightless(layer)(x)
        return x

    def named(self, layers: Sequence[Layer]) -> Named:
        """The weights of `layers` by their names in a `BlockModule`."""
        for layer in layers:
            if layer.kind in SHARED:
                yield from getattr(self, layer.name).named(layer)


class SharedBlock(SharedPath):
    """Weights that any of `blocks` can run with; where all of them are residual, they start as the identity."""

    def __init__(self, blocks: Sequence[Block], eps: float, kernels: Kernels) -> None:
        super().__init__([block.main for block in blocks], eps, kernels)
        self.shortcut = SharedPath([block.shortcut for block in blocks], eps, kernels)
        initialise(self)
        if all(block.residual for block in blocks):  # as in `BlockModule`
            last = [layer.name for layer in blocks[0].main if layer.kind == "conv"][-1]
            nn.init.zeros_(getattr(self, last).norm.weight)

    def forward(self, x: torch.Tensor, block: Block) -> torch.Tensor:
        """Run as `block`: (N, cin, H, W) to (N, cout, H', W'), or to (N, classes) for a classifier."""
        passed, y = fork(block, x)
        return join(block, self.shortcut(passed, block.shortcut), super().forward(y, block.main))

    def named(self, block: Block) -> Named:
        """The weights of `block` by their names in a `BlockModule`: views or parameters, which training moves on."""
        yield from super().named(block.main)
        yield from ((f"shortcut.{name}", weight) for name, weight in self.shortcut.named(block.shortcut))


def _group(block: Block, sharing: Sharing, alone: bool) -> object:
    """What `block` and the candidates that share its weights agree in."""
    channels = (block.cin, block.cout, block.expanded) if block.groups > 1 else ()
    if sharing == "collapsed":
        return block.op, block.groups, channels
    if alone:
        return block
    expansion = round(block.expanded / block.cin, 1)
    form = (block.kernel, expansion, block.groups, block.se > 0, block.hard, block.act)
    return block.op, *form, block.residual, block.pooled, channels


class ChoiceBlock(nn.ModuleDict):
    """The candidates of a position; the weights of a group go by the index of its first candidate.

    `alone` says that no slot which decides here decides elsewhere, so that candidates have the same shape.
    """

    def __init__(self, position: Position, sharing: Sharing, kernels: Kernels, eps: float, alone: bool) -> None:
        super().__init__()
        self.candidates = position.candidates
        members: dict[object, list[int]] = {}
        for index, block in enumerate(self.candidates):
            if block.layers:
                members.setdefault(_group(block, sharing, alone), []).append(index)
        self.group = {index: str(group[0]) for group in members.values() for index in group}
        for group in members.values():
            blocks = tuple(dict.fromkeys(self.candidates[index] for index in group))
            self[str(group[0])] = SharedBlock(blocks, eps, kernels)

    def forward(self, x: torch.Tensor, gate: Gate) -> torch.Tensor:
        """Run the gated candidates."""
        if gate.weights is None:
            return self.run(gate.indices[0], x)
        return mixed([partial(self.run, index) for index in gate.indices], gate, x)

    def run(self, index: int, x: torch.Tensor) -> torch.Tensor:
        """Run candidate `index`. A skip gives `x` itself."""
        return self[self.group[index]](x, self.candidates[index]) if index in self.group else x

    def named(self, index: int) -> Named:
        """The weights of candidate `index` by their names in a `BlockModule`, as views or parameters."""
        return self[self.group[index]].named(self.candidates[index]) if index in self.group else iter(())
