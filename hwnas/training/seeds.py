"""Random numbers as a function of a key, such as (seed, step), so that no state of them has to be kept."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

Seeds = tuple[int, int, int]
"""Of Python, numpy and torch."""


def draw_seeds(count: int, *key: int) -> list[Seeds]:
    """The seeds of `count` things, such as the positions of a batch, as a function of `key` alone."""
    drawn = np.random.SeedSequence(key).generate_state(3 * count).tolist()
    return list(zip(drawn[0::3], drawn[1::3], drawn[2::3], strict=True))


def seed_all(seeds: Seeds) -> None:
    """Have the random numbers of Python, numpy and torch (on the CPU) depend on `seeds` alone from here on."""
    for_python, for_numpy, for_torch = seeds
    random.seed(for_python)
    np.random.seed(for_numpy)
    torch.default_generator.manual_seed(for_torch)


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Leave the random numbers of Python, numpy and torch (on the CPU) as they were before the body."""
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])
