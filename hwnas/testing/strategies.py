"""What the contracts of samplers and of learners have in common."""

import random
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from ..space import registry
from ..space.space import SearchSpace
from ..strategies import methods
from ..strategies.limit import Limit
from ..strategies.method import Method, constants_model
from .errors import refused
from .toys import Allowed, Linear, ToyStep

LARGE_SPACES = ("nas-bench-macro", "mobilenetv3-32", "proxyless-32")
"""Named spaces that differ in kind: blocks of one form, shared decisions, and blocks of many forms."""

LIMITED: tuple[Allowed, ...] = ("hard", "band")


class StrategyContract:
    """What samplers and learners have in common: `reference` says which strategy, `values` which constants differ."""

    reference: str
    values: ClassVar[Mapping[str, Any]] = {}

    @cached_property
    def method(self) -> Method:
        """The strategy as data."""
        return methods.get(self.reference)

    def build(self, limit: Limit, seed: int = 0, budget: int = 40, **values: Any) -> Any:
        """The strategy at its start."""
        constants = self.method.configure({**self.values, **values})
        return self.method.build(limit.space, limit, constants, seed, budget)

    def test_constants_that_cannot_be_are_refused_by_their_names(self) -> None:
        """One that there is not, and every number as a word."""
        with refused("constants.unknown", name="no_such_constant"):
            self.method.configure({"no_such_constant": 1})
        for name, field in constants_model(self.method.strategy_class).model_fields.items():
            assert field.description, f"say what {name} is, in Field(description=...)"
            with refused("constants.out-of-range", name=name, value="nonsense"):
                self.method.configure({name: "nonsense"})


def toy_step(space: SearchSpace, price: float = 0.3) -> ToyStep:
    """Cross-entropies of 0 to 1 for each option, and a price on the cost that `limited` limits."""
    return ToyStep(Linear(space), Linear(space, seed=7), price)


def limit_of(name: str) -> Limit:
    """The cheaper 30 % of a named space."""
    space = registry.get(name)
    free = Limit(space, Linear(space, seed=7).cost)
    archs = [space.sample(np.random.default_rng(seed)) for seed in range(200)]
    return free.within(float(np.quantile(free.cost(archs), 0.3)))


def global_states() -> tuple[Any, ...]:
    """The states of all generators that are no strategy's own."""
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]
