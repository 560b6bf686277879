"""What a candidate block adds to the features of a network: sums over its layers, and which block it is.

Every feature of a network is a sum over its blocks, so a model that is linear in them gives each candidate of each
slot a cost of its own, and a prior on the weights of the features says which costs are likely to be alike.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from ..space.net import Block, Layer
from ..space.space import SearchSpace, Slot


@dataclass(frozen=True)
class Features:
    """`values` (candidates, features) of every candidate of every slot in one list, and the group of each feature.

    Each feature has mean 0 in every slot and variance 1 over networks drawn uniformly. `names` are the groups'.
    """

    values: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...]


def features(space: SearchSpace, columns: Mapping[str, np.ndarray]) -> Features:
    """The features of the candidates of `space`.

    `columns` are costs of the candidates known from elsewhere, each (candidates,): from a table of blocks, or on
    another device. Each gives its sum over the network, and its sum over each stage, in a group of its own.
    """
    groups: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    candidates = [(slot, block) for slot, part in enumerate(space.slots) for block in part.candidates]
    for index, (slot, block) in enumerate(candidates):
        told = [*_of_block(block), ("slot", str(index), 1.0)]
        for name, column in columns.items():
            told += [(name, "sum", column[index]), (f"{name} by stage", _stage(space.slots[slot]), column[index])]
        for group, feature, value in told:
            groups[group].setdefault(feature, np.zeros(len(candidates)))[index] += value
    slots = np.array([slot for slot, _ in candidates])
    found = {name: _normal(np.stack(list(group.values()), axis=1), slots) for name, group in groups.items()}
    found = {name: values for name, values in found.items() if values.shape[1]}
    widths = [values.shape[1] for values in found.values()]
    return Features(
        np.concatenate(list(found.values()), axis=1), np.repeat(np.arange(len(widths)), widths), tuple(found)
    )


def _of_block(block: Block) -> Iterator[tuple[str, str, float]]:
    """Group, name and value of each feature of a block; a name may come more than once, and is summed."""
    yield "op", f"{block.op} k{block.kernel} e{block.expansion} g{block.groups} se{block.se > 0}", 1.0
    if block.op == "skip":
        return
    yield "block", block.key, 1.0
    yield "depth", "depth", 1.0
    stage = f"{block.cout} at {block.out[0]}"
    parts = [(_kind(layer), _quantities(layer)) for layer in block.layers]
    if block.residual:
        parts.append(("add", {"traffic": 3.0 * block.cout * prod(block.out), "layers": 1.0}))
    for kind, quantities in parts:
        for quantity, value in quantities.items():
            yield quantity, "sum", value
            yield f"{quantity} by kind of layer", kind, value
        yield "macs by stage", stage, quantities.get("macs", 0.0)


def _quantities(layer: Layer) -> dict[str, float]:
    """What a layer costs on any device: work, memory read and written (elements, for one image), and being there."""
    pixels = prod(layer.out)
    traffic = pixels * (layer.cin * layer.stride**2 + layer.cout)
    return {"macs": layer.macs, "traffic": traffic, "params": layer.weights, "layers": 1.0}


def _kind(layer: Layer) -> str:
    """Layers of one kind run in one kernel of a runtime."""
    depthwise = layer.groups == layer.cin > 1
    return f"{layer.kind} {layer.name} k{layer.kernel}{' depthwise' if depthwise else ''} {layer.act}"


def _stage(slot: Slot) -> str:
    block = slot.candidates[0]
    return f"{block.cout} at {block.out[0]}"


def _normal(values: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """`values` less the mean of each slot, in units of the deviation over random networks; constants left out."""
    counts = np.bincount(slots)
    means = np.stack([np.bincount(slots, column) / counts for column in values.T], axis=1)
    centred = values - means[slots]
    deviation = np.sqrt((centred**2 / counts[slots][:, None]).sum(axis=0))
    varies = deviation > 1e-9 * np.abs(values).max(axis=0)
    return centred[:, varies] / deviation[varies]
