"""Mutations and crossovers of architectures."""

import numpy as np

from ...space.space import Arch, SearchSpace


def mutate_one_slot(arch: Arch, space: SearchSpace, rng: np.random.Generator) -> Arch:
    """`arch` with one slot, each equally likely, at another of its options; itself where no slot has several."""
    several = np.flatnonzero(np.array(space.choices) > 1)
    which = np.zeros(len(arch), bool)
    if len(several):
        which[rng.choice(several)] = True
    return _move(arch, which, space, rng)


def mutate(arch: Arch, probability: float, space: SearchSpace, rng: np.random.Generator) -> Arch:
    """`arch` with each slot, by `probability`, at another of its options, if it has any."""
    return _move(arch, rng.random(len(arch)) < probability, space, rng)


def _move(arch: Arch, which: np.ndarray, space: SearchSpace, rng: np.random.Generator) -> Arch:
    """`arch` with the slots that `which` (slots,) says at another of their options, all equally likely."""
    choices = np.array(space.choices)
    step = rng.integers(1, np.maximum(choices, 2))
    return tuple(np.where(which, (arch + step) % choices, arch).tolist())


def resample(arch: Arch, probability: float, space: SearchSpace, rng: np.random.Generator) -> Arch:
    """`arch` with each slot, by `probability`, sampled anew: uniformly, so that it may stay as it was."""
    chosen = rng.random(len(arch)) < probability
    return tuple(np.where(chosen, rng.integers(0, space.choices), arch).tolist())


def uniform_crossover(one: Arch, other: Arch, rng: np.random.Generator) -> Arch:
    """Every slot as in `one` or as in `other`, equally likely."""
    return tuple(np.where(rng.random(len(one)) < 0.5, one, other).tolist())


def two_point_crossover(one: Arch, other: Arch, rng: np.random.Generator) -> Arch:
    """`one`, with the slots between two points drawn uniformly as in `other`."""
    start, end = sorted(rng.integers(0, len(one) + 1, 2).tolist())
    return (*one[:start], *other[start:end], *one[end:])
