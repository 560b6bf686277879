"""What stands at one position of a supernet: its candidates, in groups that share weights."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from functools import cache, partial
from itertools import chain
from typing import Literal

import torch
from torch import nn

from ..space.fold import fold
from ..space.layer import Weighted, is_weighted
from ..space.net import Block, Layer
from ..space.space import Position
from .blocks import attach, find, initialise, last_conv, modules
from .gates import Gate, mixed
from .shared import Kernels, Named, SharedLayer, shared_layer

Sharing = Literal["separate", "collapsed"]
"""Which candidates of a position share weights.

`separate`: those that differ in channels alone, so in a space of independent slots none (1812.00332; 1802.03268).
`collapsed`: all of the same op, whatever their kernel and expansion (2008.06120, §4.4; 1908.09791; 2003.11142).
Either way a convolution in groups that is not depthwise is shared only where its channels agree: the first channels of
a larger one lie in other groups.
"""


ANY_SIZE = frozenset({"cin", "cout", "height", "width", "stride"})
"""Fields of `Block` in which candidates may differ that share weights: each runs with the part that it needs."""
COLLAPSED = ANY_SIZE | {"kernel", "expansion", "mid", "se", "hard", "act", "residual", "pooled"}
"""The same where they are `collapsed`."""
PROPORTIONAL = frozenset({"expansion", "mid", "se"})
"""Fields that candidates which share weights need not have alike, but in proportion."""


@cache
def _weightless(layer: Layer) -> nn.Module:
    """The module of a layer that has no weights, which any number of places can use."""
    parts = [module for _, module in modules(layer)]
    module = parts[0] if len(parts) == 1 else nn.Sequential(*parts)
    if any(True for _ in module.parameters()):
        raise TypeError(f"a {layer.kind} has weights, which no place would train: `shared_layer` has to make them")
    return module


class SharedBlock(nn.Module):
    """Weights that any of `blocks` can run with; where all of them are residual, they start as the identity.

    Its children are the layers with weights by name, of sizes that all blocks can use.
    """

    def __init__(self, blocks: Sequence[Block], eps: float, kernels: Kernels) -> None:
        super().__init__()
        alike: dict[tuple[Weighted, str], list[Layer]] = {}
        for layer in chain.from_iterable(block.layers for block in blocks):
            if is_weighted(layer.kind):
                alike.setdefault((layer.kind, layer.name), []).append(layer)
        for kind, name in sorted(alike, key=lambda key: "." in key[1]):  # main paths first, as random weights are drawn
            attach(self, name, shared_layer(kind, alike[kind, name], eps, kernels))
        initialise(self)
        if all(block.residual for block in blocks):  # as in `BlockModule`
            nn.init.zeros_(self.get_submodule(f"{last_conv(blocks[0])}.norm").get_parameter("weight"))

    def forward(self, x: torch.Tensor, block: Block) -> torch.Tensor:
        """Run as `block`: (N, cin, H, W) to (N, cout, H', W'), or to (N, classes) for a classifier."""

        layers = block.layers

        def run(index: int, inputs: list[torch.Tensor]) -> torch.Tensor:
            layer = layers[index]
            shared = find(self, layer.name)
            output: torch.Tensor = _weightless(layer)(*inputs) if shared is None else shared(*inputs, layer)
            return output

        return fold(block.wiring, (x,), run)

    def named(self, block: Block) -> Named:
        """The weights of `block` by their names in a `BlockModule`: views or parameters, which training moves on."""
        for layer in block.layers:
            shared = find(self, layer.name)
            if isinstance(shared, SharedLayer):
                yield from shared.named(layer)


def _group(block: Block, sharing: Sharing, alone: bool) -> object:
    """What `block` and the candidates that share its weights agree in: every field but those in which they may differ.

    Where they are `separate`, expansion and squeezed channels only have to be in proportion, or both absent.
    """
    channels = (block.cin, block.cout, block.expanded) if block.groups > 1 else ()
    if sharing == "collapsed":
        return channels, _fields(block, COLLAPSED)
    if alone:
        return block
    return channels, round(block.expanded / block.cin, 1), block.se > 0, _fields(block, {*ANY_SIZE, *PROPORTIONAL})


def _fields(block: Block, without: Collection[str]) -> tuple[object, ...]:
    """The values of all fields of `block` but some."""
    return tuple(getattr(block, field.name) for field in fields(block) if field.name not in without)


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
        if index not in self.group:
            return x
        output: torch.Tensor = self[self.group[index]](x, self.candidates[index])
        return output

    def named(self, index: int) -> Named:
        """The weights of candidate `index` by their names in a `BlockModule`, as views or parameters."""
        if index in self.group:
            shared = self[self.group[index]]
            assert isinstance(shared, SharedBlock)
            yield from shared.named(self.candidates[index])
