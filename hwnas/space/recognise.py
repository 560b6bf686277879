"""From a network back to the architecture that makes it."""

from collections.abc import Sequence
from itertools import product

from .net import Block
from .space import Arch, SearchSpace


def find_arch(space: SearchSpace, blocks: Sequence[Block]) -> Arch | None:
    """The first architecture of `space` whose network has these `blocks`; None where there is none.

    Depth-first over the positions, each of which takes the options that the positions before it have settled. What is
    left to do depends on the options that the positions from there on share with those before, and so is tried once
    for each combination of these.
    """
    positions = space.positions
    tables = [
        dict(zip(product(*(range(space.choices[slot]) for slot in position.slots)), position.candidates, strict=True))
        for position in positions
    ]
    shared = _shared(space)
    failed: set[tuple[int | None, ...]] = set()

    def completed(index: int, used: int, settled: dict[int, int]) -> dict[int, int] | None:
        """`settled` with an option for every other slot, where the positions from `index` make blocks[used:]."""
        if index == len(positions):
            return settled if used == len(blocks) else None
        state = (index, used, *(settled.get(slot) for slot in shared[index]))
        if state in failed:
            return None
        slots = positions[index].slots
        for options in product(*([settled[s]] if s in settled else range(space.choices[s]) for s in slots)):
            block = tables[index][options]
            absent = block.op == "skip"
            if absent or (used < len(blocks) and blocks[used] == block):
                found = completed(index + 1, used + (not absent), settled | dict(zip(slots, options, strict=True)))
                if found is not None:
                    return found
        failed.add(state)
        return None

    found = completed(0, 0, {})
    return None if found is None else tuple(found[slot] for slot in range(len(space.choices)))


def _shared(space: SearchSpace) -> list[list[int]]:
    """For each position the slots that decide on it or a later one, and on an earlier one too."""
    scopes = [set(position.slots) for position in space.positions]
    return [
        sorted(set().union(*scopes[:index]) & set().union(*scopes[index:])) for index in range(len(space.positions))
    ]
