"""The toys of `hwnas.testing`, and short ways to build and run strategies on them."""

from collections.abc import Callable
from typing import Any

from hwnas.space.space import Arch, SearchSpace
from hwnas.strategies.limit import Limit
from hwnas.strategies.methods import METHODS
from hwnas.testing.toys import Linear, ToyStep, limited, optimum
from hwnas.testing.toys import all_architectures as every
from hwnas.testing.toys import elastic_space as elastic
from hwnas.testing.toys import independent_space as space

__all__ = [
    "Linear",
    "ToyStep",
    "ask",
    "build",
    "elastic",
    "every",
    "limited",
    "make",
    "make_paths",
    "optimum",
    "run",
    "space",
]


def make(kind: type, limit: Limit, *, seed: int = 0, budget: int = 100, **values: Any) -> Any:
    """A strategy of class `kind`, with `values` for its constants."""
    return kind(limit.space, limit, kind.constants.parse(values), seed=seed, budget=budget)


def build(name: str, limit: Limit, *, seed: int = 0, budget: int = 100, **values: Any) -> Any:
    """The strategy of `METHODS[name]`, with the constants of the method and others."""
    method = METHODS[name]
    return method.build(limit.space, limit, method.configure(values), seed, budget)


def make_paths(kind: type, space: SearchSpace, *, seed: int = 0, **values: Any) -> Any:
    """A path sampler of class `kind`, with `values` for its constants."""
    return kind(space, kind.constants.parse(values), seed=seed)


def ask(sampler: Any, count: int = 1) -> list[Arch]:
    """What `sampler` proposes when it is asked `count` ahead."""
    return [proposal.arch for proposal in sampler.ask(count)]


def run(sampler: Any, score: Callable[[Arch], float], rounds: int) -> list[Arch]:
    """What `sampler` proposes in so many rounds, one at a time, each told its score."""
    archs = []
    for _ in range(rounds):
        (proposal,) = sampler.ask()
        sampler.tell(proposal.id, score(proposal.arch))
        archs.append(proposal.arch)
    return archs
