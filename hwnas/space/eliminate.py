"""The least sum of tables that share decisions, exactly, by eliminating one decision after the other."""

from collections.abc import Sequence
from math import prod

import numpy as np

Factor = tuple[tuple[int, ...], np.ndarray]
"""Decisions, and a number for each combination of their options: an array with an axis for each decision."""


def least(factors: Sequence[Factor], choices: Sequence[int]) -> tuple[int, ...]:
    """The index for each decision, of `choices` options, that makes the sum of `factors` least.

    Min-sum variable elimination (Bertelè and Brioschi 1972): what a decision costs at best is a table over those that
    it shares a factor with. A decision with the smallest such table goes next; the first of equal options wins.
    """
    remaining = [(slots, np.asarray(table, np.float64)) for slots, table in factors if slots]
    taken: list[tuple[int, tuple[int, ...], np.ndarray]] = []
    left = set(range(len(choices)))
    while left:
        slot = min(left, key=lambda one: (_table_size(one, remaining, choices), one))
        left.remove(slot)
        touching = [factor for factor in remaining if slot in factor[0]]
        others = tuple(sorted({s for slots, _ in touching for s in slots} - {slot}))
        total = np.zeros([choices[s] for s in (*others, slot)])
        for slots, table in touching:
            total = total + _aligned(slots, table, (*others, slot))
        taken.append((slot, others, total.argmin(axis=-1)))
        remaining = [factor for factor in remaining if slot not in factor[0]] + [(others, total.min(axis=-1))]
    found: dict[int, int] = {}
    for slot, others, best in reversed(taken):
        found[slot] = int(best[tuple(found[s] for s in others)])
    return tuple(found[slot] for slot in range(len(choices)))


def _table_size(slot: int, factors: Sequence[Factor], choices: Sequence[int]) -> int:
    """Entries of the table that eliminating `slot` makes."""
    neighbours = {s for slots, _ in factors if slot in slots for s in slots}
    return prod(choices[s] for s in neighbours)  # of Python's integers: it may be more than any array can have


def _aligned(slots: tuple[int, ...], table: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """`table` with its axes in the order of `axes`, and of length 1 where it does not depend on them."""
    ordered = table.transpose([slots.index(axis) for axis in axes if axis in slots])
    return ordered.reshape([table.shape[slots.index(axis)] if axis in slots else 1 for axis in axes])
