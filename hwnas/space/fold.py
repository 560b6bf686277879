"""Running steps of which each takes what others gave: the layers of a block, or the blocks of a network."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeVar

T = TypeVar("T")

Wiring = tuple[tuple[int, ...], ...]
"""For each step the indices of the steps whose outputs it takes. -1 is the first input of the whole, -2 the second."""


def fold(wiring: Wiring, inputs: Sequence[T], run: Callable[[int, list[T]], T]) -> T:
    """The output of the last step; the first input where there is no step.

    `run` is called with the index of each step, in order, and the values of its sources. A value is let go once no
    later step takes it, so that no more stays in memory than a hand-written forward pass would hold.
    """
    values = {-1 - index: value for index, value in enumerate(inputs)}
    for index, sources, spent in _schedule(wiring):
        values[index] = run(index, [values[source] for source in sources])
        for source in spent:
            del values[source]
    return values[len(wiring) - 1]


@cache
def _schedule(wiring: Wiring) -> tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]:
    """The index of each step, its sources, and those of them that no later step takes."""
    last = {source: index for index, sources in enumerate(wiring) for source in sources}
    return tuple(
        (index, sources, tuple(source for source in dict.fromkeys(sources) if last[source] == index))
        for index, sources in enumerate(wiring)
    )


def dead_ends(wiring: Wiring) -> Iterator[int]:
    """The steps but the last whose output no step takes."""
    used = {source for sources in wiring for source in sources}
    return (index for index in range(len(wiring) - 1) if index not in used)
