"""What a strategy is made of, as data: its parts by reference, and the constants that make it that method."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from inspect import getdoc
from typing import TYPE_CHECKING, Any, Literal

from ..space.space import SearchSpace
from .constants import Constants, unknown_constant
from .limit import Limit

if TYPE_CHECKING:
    from ..nn.choice_block import Sharing
    from .path_samplers.base import PathSampler

Kind = Literal["gradient", "policy", "one-shot", "black box"]


@dataclass(frozen=True)
class Configuration:
    """The constants of each part of a method."""

    strategy: Constants
    path_sampler: Constants | None = None

    def values(self) -> dict[str, Any]:
        """Every constant with its value."""
        parts = [part.model_dump() for part in (self.strategy, self.path_sampler) if part is not None]
        return {name: value for part in parts for name, value in part.items()}


@dataclass(frozen=True)
class Method:
    """One strategy.

    `strategy` (module:Class of this package, or a class) is a relaxation for `gradient`, a policy for `policy`, and a
    sampler else. `path_sampler` (likewise) says which paths the shared weights train where the strategy does not say it
    itself; `objective` is a name of `objectives.LOSSES` for a gradient method, and of `objectives.REWARDS` else.
    `sharing` is that of the supernet (`Supernet`), as published. `constants` and `schedule` replace defaults of the
    parts and of `schedule.Schedule`.
    """

    kind: Kind
    line: str
    paper: str
    strategy: str | type
    path_sampler: "str | type[PathSampler] | None" = None
    objective: str = "accuracy"
    sharing: "Sharing" = "separate"
    constants: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> str:
        """What it must be given, in words."""
        if self.kind == "black box":
            return "any evaluator"
        return "shared weights, or any evaluator" if self.kind == "policy" else "shared weights"

    @cached_property
    def strategy_class(self) -> type:
        """The class of the relaxation, policy or sampler."""
        found: type = _load(self.strategy)
        return found

    @cached_property
    def path_sampler_class(self) -> "type[PathSampler] | None":
        """The class of the path sampler, if the method has one of its own."""
        return None if self.path_sampler is None else _load(self.path_sampler)

    @property
    def fields(self) -> dict[str, Any]:
        """The pydantic field of every constant: its type, range and description."""
        return {name: field for model in self._models for name, field in model.model_fields.items()}

    @property
    def descriptions(self) -> list[str]:
        """The docstrings of its parts."""
        parts = [self.strategy_class, self.path_sampler_class]
        return [getdoc(part) or "" for part in parts if part is not None]

    @property
    def _models(self) -> list[type[Constants]]:
        paths = self.path_sampler_class
        return [constants_model(self.strategy_class), *([constants_model(paths)] if paths else [])]

    def configure(self, overrides: Mapping[str, Any] | None = None) -> Configuration:
        """The constants of every part, with `overrides` in place of the method's own; text is read as a value.

        Raises `InputError` with code "constants.unknown" or "constants.out-of-range".
        """
        overrides = overrides or {}
        known = self.fields
        for name, value in overrides.items():
            if name not in known:
                raise unknown_constant(name, value, list(known), self.line.partition(":")[0])
        given = {**self.constants, **overrides}
        return Configuration(
            *(
                model.parse({name: value for name, value in given.items() if name in model.model_fields})
                for model in self._models
            )
        )

    def build(
        self, space: SearchSpace, limit: Limit, constants: Configuration, seed: int, budget: int
    ) -> Any:  # a Sampler, a Learner or both, by `kind`
        """The relaxation, policy or sampler, at its start."""
        return self.strategy_class(space, limit, constants.strategy, seed=seed, budget=budget)

    def build_path_sampler(self, space: SearchSpace, constants: Configuration, seed: int) -> "PathSampler":
        """The path sampler of the method; single paths sampled uniformly where it has none of its own."""
        from .path_samplers.rules import Uniform

        kind = self.path_sampler_class or Uniform
        return kind(space, constants.path_sampler or kind.constants(), seed=seed)


def is_strategy(found: object) -> bool:
    """Whether `found` is a `Method`, or a class that can be one."""
    return isinstance(found, Method) or (isinstance(found, type) and (_is_sampler(found) or _is_learner(found)))


def wrap_class(kind: type) -> Method:
    """The method of a sampler's or learner's class, which says its name in the first line of its docstring."""
    line = (getdoc(kind) or kind.__name__).splitlines()[0].rstrip(".")
    paper = str(getattr(kind, "paper", ""))
    if not _is_learner(kind):
        return Method("black box", line, paper, kind)
    if _is_sampler(kind):
        return Method("policy", line, paper, kind)
    return Method("gradient", line, paper, kind, objective="lagrangian")


def _is_sampler(kind: type) -> bool:
    return callable(getattr(kind, "ask", None)) and callable(getattr(kind, "tell", None))


def _is_learner(kind: type) -> bool:
    return callable(getattr(kind, "learn", None)) and callable(getattr(kind, "training_paths", None))


def constants_model(part: type) -> type[Constants]:
    """The model of a part's constants; one without fields where the part names none."""
    model = getattr(part, "constants", Constants)
    return model if isinstance(model, type) and issubclass(model, Constants) else Constants


def _load(place: Any) -> Any:
    """The class at `place`, module:Class of this package, or `place` itself where it is one."""
    if not isinstance(place, str):
        return place
    module, kind = place.split(":")
    return getattr(import_module(f".{module}", __package__), kind)
