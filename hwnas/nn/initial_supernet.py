"""Shared weights that begin with those of one network, where they are of the same blocks.

The blocks of the network are laid along the positions of the space, in order. Equal ones fill their own weights, and so
a network that is a member of the space begins as the same function; where weights are shared, every block that has
slices of them begins with these. Where weights are `collapsed`, blocks of the same operation fill them too, channel by
channel from the first on, and kernels by their centres.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch

from ..errors import InputError
from ..space.layer import Layer
from ..space.net import Block
from .blocks import find
from .build import Network
from .choice_block import ChoiceBlock, SharedBlock, Sharing
from .initial import gains_for, same_weights
from .shared import SharedConv, SharedLayer, centre, first

Match = Literal["equal", "sliced"]
SCORES: dict[Match, int] = {"equal": 3, "sliced": 1}
"""What laying a block at a position is worth: equal ones are worth more than two that are sliced."""


@dataclass(frozen=True)
class FilledSupernet:
    """The positions of a supernet, from 0, whose weights are those of an `equal` block, or of one that was `sliced`;
    and those that are `new`: as they were drawn."""

    equal: tuple[int, ...]
    sliced: tuple[int, ...]
    new: tuple[int, ...]


@dataclass(frozen=True)
class _Place:
    """A block of the network, by its index, and the candidate of a position that it fills."""

    block: int
    candidate: int
    match: Match


@torch.no_grad()
def fill_supernet(parts: Sequence[ChoiceBlock], eps: float, source: Network, sharing: Sharing) -> FilledSupernet:
    """Fill the weights of the positions `parts`, whose norms have the epsilon `eps`, from the trained network `source`.

    Raises `InputError` ("initial.nothing-fits") where no block of it is one of theirs.
    """
    places = _lay(parts, source.net.chain, sharing)
    if not places:
        key = source.net.blocks[0].key
        message = f"no block of the network has a place in this space: its first is {key}"
        raise InputError(message, code="initial.nothing-fits", block=key)
    state = dict(gains_for(source, eps))
    for position, place in places.items():
        prefix = f"{place.block}."
        given = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        part, block = parts[position], source.net.blocks[place.block]
        candidate = part.candidates[place.candidate]
        shared = part[part.group[place.candidate]]
        assert isinstance(shared, SharedBlock)
        _fill(shared, candidate, given, classes=block.cout if block.op == "classifier" else None)
    by = {match: tuple(p for p, place in places.items() if place.match == match) for match in SCORES}
    weighted = (position for position, part in enumerate(parts) if part.group)
    return FilledSupernet(by["equal"], by["sliced"], tuple(p for p in weighted if p not in places))


def _lay(parts: Sequence[ChoiceBlock], blocks: Sequence[Block], sharing: Sharing) -> dict[int, _Place]:
    """Positions to what fills them: of all ways that keep the order the one that is worth most, as early as can be."""

    @cache
    def best(position: int, block: int) -> tuple[int, tuple[tuple[int, _Place], ...]]:
        if position == len(parts) or block == len(blocks):
            return 0, ()
        last = position == len(parts) - 1 and block == len(blocks) - 1
        ways = [best(position, block + 1), best(position + 1, block)]
        if place := _place(parts[position], block, blocks[block], sharing, last):
            worth, rest = best(position + 1, block + 1)
            ways.insert(0, (worth + SCORES[place.match], ((position, place), *rest)))
        return max(ways, key=lambda way: way[0])  # the first of equals

    return dict(best(0, 0)[1])


def _place(part: ChoiceBlock, index: int, block: Block, sharing: Sharing, last: bool) -> _Place | None:
    """What block `index` of the network fills at a position: its equal, or of collapsed weights the largest alike."""
    weighted = [candidate for candidate in part.group if part.candidates[candidate].op == block.op]
    for candidate in weighted:
        if same_weights(part.candidates[candidate], block, last):
            return _Place(index, candidate, "equal")
    alike = [c for c in weighted if part.candidates[c].stride == block.stride and part.candidates[c].groups == 1]
    if sharing == "separate" or not alike or block.groups != 1:
        return None
    return _Place(index, max(alike, key=lambda candidate: part.candidates[candidate].params), "sliced")


def _fill(shared: SharedBlock, candidate: Block, given: Mapping[str, torch.Tensor], classes: int | None) -> None:
    """Copy into the weights that `candidate` runs with what of `given`, by the names in a `BlockModule`, they hold. The
    last layer of a classifier of other `classes` stays as it is."""
    layers = candidate.layers if classes in (None, candidate.cout) else candidate.layers[:-1]
    for layer in layers:
        module = find(shared, layer.name)
        if isinstance(module, SharedLayer):
            for name, target in _views(module, layer):
                if name in given:
                    _copy(target, given[name])


def _views(module: SharedLayer, layer: Layer) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights of `layer` as views that can be written to. A smaller kernel that is a linear map of the larger ones'
    centre is that centre: such maps begin as the identity."""
    if not isinstance(module, SharedConv):
        yield from module.named(layer)
        return
    own = str(layer.kernel) in module.kernels
    conv = module.kernels[str(layer.kernel)] if own else module.largest
    weight = first(conv.get_parameter("weight"), layer.cout, layer.cin // layer.groups)
    yield f"{layer.name}.weight", centre(weight, layer.kernel)
    yield f"{layer.name}_norm.weight", first(module.norm.weight, layer.cout)
    yield f"{layer.name}_norm.bias", first(module.norm.bias, layer.cout)


def _copy(target: torch.Tensor, source: torch.Tensor) -> None:
    """Copy what both have: the first channels, and of kernels the centre."""
    if target.ndim == 4:
        kernel = min(target.shape[-1], source.shape[-1])
        target, source = centre(target, kernel), centre(source, kernel)
    sizes = [min(pair) for pair in zip(target.shape, source.shape, strict=True)]
    for axis, size in enumerate(sizes):
        target, source = target.narrow(axis, 0, size), source.narrow(axis, 0, size)
    target.copy_(source)
