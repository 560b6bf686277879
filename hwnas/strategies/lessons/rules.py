"""Which architectures one step of the shared weights trains: the sampling rules of one-shot methods.

A rule gives the architectures of one step, drawn with the caller's generator; `weights.weight_step` trains them.
"""

from collections.abc import Callable
from math import ceil

import numpy as np

from ..space.space import Arch, SearchSpace

Rule = Callable[[SearchSpace, np.random.Generator], list[Arch]]
"""(space, generator) to the architectures of one step, none of them required to differ."""


def uniform(space: SearchSpace, rng: np.random.Generator, count: int = 1) -> list[Arch]:
    """`count` architectures drawn uniformly: single path one-shot (1904.00420, §3) for one."""
    return [space.sample(rng) for _ in range(count)]


def fair(space: SearchSpace, rng: np.random.Generator) -> list[Arch]:
    """As many architectures as the widest slot has candidates, together holding each candidate of it exactly once:
    strict fairness (FairNAS, 1907.01845).

    The published space has as many candidates in every slot. Here a narrower one deals its candidates out again and
    again, each time in a new order, so that within a step none of them is ahead of another by more than one.
    """
    count = max(space.choices)
    columns = []
    for choices in space.choices:
        rounds = [rng.permutation(choices) for _ in range(ceil(count / choices))]
        columns.append(np.concatenate(rounds)[:count].tolist())
    return list(zip(*columns, strict=True))


def sandwich(space: SearchSpace, rng: np.random.Generator, count: int = 2) -> list[Arch]:
    """The largest architecture, the smallest, and `count` drawn uniformly (BigNAS, 2003.11142, §3.1).

    The largest comes first: with in-place distillation it is the one that learns the labels.
    """
    return [space.largest, space.smallest, *uniform(space, rng, count)]


RULES: dict[str, Rule] = {"uniform": uniform, "fair": fair, "sandwich": sandwich}
"""Every rule by name, with its own number of architectures a step."""
