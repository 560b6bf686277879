"""What a candidate block adds to the features of a network: sums over its layers, and which block it is.

Every feature of a network is a sum over its blocks, so a model that is linear in them gives each candidate of each
position a cost of its own, and a prior on the weights of the features says which costs are likely to be alike.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import get_args

import numpy as np

from ..space.layer import Joint
from ..space.net import Block, Layer
from ..space.space import Position, SearchSpace
from .candidates import Candidates

BLOCKS = 500
"""Distinct blocks at most that are features each. Where choices are shared there are thousands, each in few networks:
no label would tell of them what their sizes do not."""

JOINTS = frozenset(get_args(Joint))
"""Kinds of layers that part and join paths."""

SAMPLED = 1000
"""Random networks that show how much a feature varies where the positions share choices."""


@dataclass(frozen=True)
class Features:
    """`values` (candidates, features) of the `Candidates` of a space, and the group of each feature.

    Each feature has mean 0 at every position, and variance 1 over networks drawn uniformly. `names` are the groups'.
    """

    values: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...]


def features(space: SearchSpace, columns: Mapping[str, np.ndarray]) -> Features:
    """The features of the candidates of `space`.

    `columns` are costs of the candidates known from elsewhere, each (candidates,): from a table of blocks, or on
    another device. Each gives its sum over the network, and its sum over each stage, in a group of its own.
    """
    candidates = Candidates.of(space)
    blocks = candidates.blocks
    named = len(set(blocks)) <= BLOCKS
    features_of = cache(lambda block, stage: tuple(_of_block(block, stage, named)))  # many candidates are alike
    stages = [_stage(position) for position in candidates.positions]
    groups: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for index, (owner, block, options) in enumerate(zip(candidates.owner, blocks, _options(candidates), strict=True)):
        of_candidate = [*features_of(block, stages[owner]), *(("slot", option, 1.0) for option in options)]
        for name, column in columns.items():
            of_candidate += [(name, "sum", column[index]), (f"{name} by stage", stages[owner], column[index])]
        for group, feature, value in of_candidate:
            groups[group].setdefault(feature, np.zeros(len(blocks)))[index] += value
    found = {name: _normal(np.stack(list(group.values()), axis=1), candidates) for name, group in groups.items()}
    found = {name: values for name, values in found.items() if values.shape[1]}
    widths = [values.shape[1] for values in found.values()]
    return Features(
        np.concatenate(list(found.values()), axis=1), np.repeat(np.arange(len(widths)), widths), tuple(found)
    )


def _options(candidates: Candidates) -> Iterator[list[str]]:
    """For each candidate the options that it tells of, so that each may cost what no other feature says.

    An option is told of once, by the first position that its slot decides on. A layer that is absent for the sake of
    another choice has no kernel, say, and tells of none.
    """
    seen: set[int] = set()
    for position in candidates.positions:
        first = [axis for axis, slot in enumerate(position.slots) if slot not in seen]
        seen |= set(position.slots)
        for block, options in zip(position.candidates, np.ndindex(candidates.shape(position)), strict=True):
            absent = block.op == "skip" and len(position.slots) > 1
            yield [] if absent else [f"{position.slots[axis]} {options[axis]}" for axis in first]


def _of_block(block: Block, stage: str, named: bool) -> Iterator[tuple[str, str, float]]:
    """Group, name and value of each feature of a block; a name may come more than once, and is summed.

    `named` says whether to tell which block it is.
    """
    yield "op", _operation(block), 1.0
    if block.op == "skip":
        return
    if named:
        yield "block", block.key, 1.0
    yield "depth", "depth", 1.0
    for layer in sorted(block.layers, key=lambda layer: layer.kind in JOINTS):  # fitted models know this order
        for quantity, value in _quantities(layer).items():
            yield quantity, "sum", value
            yield f"{quantity} by kind of layer", _kind(layer), value
        yield "macs by stage", stage, layer.macs


NO_OPERATION = frozenset({"cin", "cout", "height", "width", "stride", "expansion", "mid", "se", "act", "residual"})
"""Fields of `Block` that do not say what sort of block it is, or in which sorts are only alike."""


def _operation(block: Block) -> str:
    """What sort of block it is, whatever its channels: expansions are alike to the nearest half."""
    named = {field.name: getattr(block, field.name) for field in fields(block) if field.name not in NO_OPERATION}
    return f"{named} e{round(2 * block.expanded / block.cin) / 2} se{block.se > 0}"


def _quantities(layer: Layer) -> dict[str, float]:
    """What a layer costs on any device: work, memory read and written (elements, for one image), and being there."""
    return {"macs": layer.macs, "traffic": layer.traffic, "params": layer.weights, "layers": 1.0}


def _kind(layer: Layer) -> str:
    """Layers of one kind run in one kernel of a runtime, on whichever path they are."""
    if layer.kind in JOINTS:
        return layer.kind
    name = layer.name.rpartition(".")[2]
    return f"{layer.kind} {name} k{layer.kernel}{' depthwise' * layer.depthwise} {layer.act}{' hard' * layer.hard}"


def _stage(position: Position) -> str:
    """Positions of one stage are alike in the output of their first candidate."""
    first = position.candidates[0]
    return f"{first.cout} at {first.out[0]}"


def _normal(values: np.ndarray, candidates: Candidates) -> np.ndarray:
    """`values` less the mean at each position, in units of the deviation over random networks; constants left out."""
    counts = np.bincount(candidates.owner)
    means = np.stack([np.bincount(candidates.owner, column) / counts for column in values.T], axis=1)
    centred = values - means[candidates.owner]
    deviation = _deviation(centred, candidates)
    varies = deviation > 1e-9 * np.abs(values).max(axis=0)
    normal: np.ndarray = centred[:, varies] / deviation[varies]
    return normal


def _deviation(centred: np.ndarray, candidates: Candidates) -> np.ndarray:
    """The deviation over random networks of the sum of each column of `centred`, whose means are 0."""
    if candidates.space.independent:  # variances add up
        counts = np.bincount(candidates.owner)[candidates.owner]
        variances: np.ndarray = (centred**2 / counts[:, None]).sum(axis=0)
    else:
        choices = candidates.space.choices
        archs = np.random.default_rng(0).integers(0, choices, (SAMPLED, len(choices)))
        variances = (candidates.sums(centred, archs) ** 2).mean(axis=0)
    deviation: np.ndarray = np.sqrt(variances)
    return deviation
