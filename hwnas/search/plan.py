"""How to search, as asked: a published method and what is to differ from it, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..errors import InputError
from ..files import parse, sha256
from ..nn.choice_block import Sharing
from ..space.space import SearchSpace
from ..strategies import methods
from ..strategies.loops import Schedule
from ..strategies.methods import Method
from ..strategies.objective import LOSSES, REWARDS, Loss, Reward, loss, reward
from ..training.data import Dataset
from .evaluators import EVALUATORS, Evaluator, evaluator, require_constants, require_objective

INHERITED = "inherited"
"""The evaluator that is no other than the shared weights: accuracy of a child on held-out images."""

EVALUATIONS = 200
"""Architectures that a sampler looks at, unless told otherwise."""

USED = 0.97
"""Share of the latency that a network is to use at least, unless told otherwise."""

WEIGHTS, OBJECTIVE, JUDGING = "weights.", "objective.", "evaluator."
"""What the names of constants of `Schedule`, of the objective and of the evaluator begin with; the strategy's have no
prefix."""


@dataclass(frozen=True)
class Plan:
    """A `strategy` with `constants` in place of its own; `objective`, `evaluator`, `evaluations` and `sharing` are its
    own where they are None. `accuracies` is the file of the evaluator `table`. The network that is chosen uses at least
    `used`, a share of 1, of the latency that is aimed at.
    """

    strategy: str = "proxyless"
    constants: Mapping[str, Any] | None = None
    objective: str | None = None
    evaluator: str | None = None
    evaluations: int | None = None
    sharing: Sharing | None = None
    used: float = USED
    accuracies: str | Path | None = None

    def __post_init__(self) -> None:
        """Raises `InputError` for what does not exist or does not go together."""
        method = self.method
        if self.evaluator not in (None, INHERITED, *EVALUATORS):
            raise InputError(f"no evaluator {self.evaluator!r}: there are {', '.join((INHERITED, *EVALUATORS))}")
        if method.kind in ("gradient", "one-shot") and self.evaluator not in (None, INHERITED):
            raise InputError(f"{self.strategy} judges by shared weights: leave out the evaluator {self.evaluator}")
        if self.learns and self.evaluations is not None:
            raise InputError(f"{self.strategy} learns while the weights do: give it steps, not evaluations")
        if self.evaluations is not None and self.evaluations < 1:
            raise InputError(f"evaluations must be at least 1, not {self.evaluations}")
        kinds = LOSSES if method.kind == "gradient" else REWARDS
        if self.objective not in (None, *kinds):
            raise InputError(f"{self.strategy} has no objective {self.objective!r}: there are {', '.join(kinds)}")
        if not 0 <= self.used < 1:
            raise InputError(f"the share of the latency to use is at least 0 and under 1, not {self.used:g}")
        known = [*method.defaults, *(WEIGHTS + name for name in Schedule.model_fields)]
        for name in self.constants or {}:
            if name not in known and not name.startswith((OBJECTIVE, JUDGING)):
                raise InputError(f"{self.strategy} has no constant {name!r}: there are {', '.join(known)}")
        self.joined(1.0)
        self._check_judging()

    def _check_judging(self) -> None:
        """Raise `InputError` for what the evaluator does not go with."""
        require_objective(self.judged_by, self.joins)
        if not self.shares:
            require_constants(self.judged_by, self._judging)
            given = [name for name in self.constants or {} if name.startswith(WEIGHTS)]
            if self.sharing is not None or given:
                raise InputError(
                    f"{self.judged_by} needs no shared weights: leave out {', '.join(given) or 'their sharing'}"
                )
        elif self._judging:
            raise InputError(
                f"the accuracy inherited from shared weights has no {', '.join(self._judging)}: name an evaluator"
            )

    @cached_property
    def method(self) -> Method:
        """The published method."""
        return methods.get(self.strategy)

    @property
    def learns(self) -> bool:
        """Whether the strategy learns while the shared weights do, and not from evaluations afterwards."""
        return self.method.kind == "gradient" or (self.method.kind == "policy" and self.evaluator is None)

    @property
    def judged_by(self) -> str:
        """The evaluator that finalists are ranked by."""
        return self.evaluator or INHERITED

    @property
    def shares(self) -> bool:
        """Whether there are shared weights."""
        return self.judged_by == INHERITED

    @property
    def rounds(self) -> int:
        """Evaluations after the weights are trained; 0 where the strategy learns while they are."""
        return 0 if self.learns else self.evaluations or EVALUATIONS

    @property
    def free(self) -> bool:
        """Whether the strategy itself may look at any architecture, as its objective weighs the latency."""
        return self.joins not in ("accuracy", "hard")

    @property
    def joins(self) -> str:
        """The name of what joins accuracy and latency."""
        return self.objective or self.method.objective

    def joined(self, target_ms: float) -> Loss | Reward:
        """What joins accuracy and latency: a loss for a strategy that follows gradients, else a reward. Raises
        `InputError` for constants that it does not have."""
        make = loss if self.method.kind == "gradient" else reward
        return make(self.joins, target_ms, **self._given(OBJECTIVE))

    def judge(self, space: SearchSpace, dataset: Dataset, seed: int) -> Evaluator:
        """The evaluator, where it is not shared weights. Raises `InputError` for constants that it does not have."""
        return evaluator(self.judged_by, space, dataset, seed=seed, **self._judging)

    @property
    def _judging(self) -> dict[str, Any]:
        """The constants of the evaluator that are not its own."""
        given = {} if self.accuracies is None else {"accuracies": self.accuracies}
        return given | self._given(JUDGING)

    def _given(self, prefix: str) -> dict[str, Any]:
        """The constants whose names begin with `prefix`, without it."""
        given = (self.constants or {}).items()
        return {name.removeprefix(prefix): value for name, value in given if name.startswith(prefix)}

    def schedule(self, asked: Schedule) -> Schedule:
        """`asked`, with the method's own values where it says nothing. Raises `InputError` for a value out of range."""
        own = {name: value for name, value in self.method.schedule.items() if name not in asked.model_fields_set}
        every = {**asked.model_dump(exclude_unset=True), **own, **self._given(WEIGHTS)}
        return parse(TypeAdapter(Schedule), every, "schedule of the weights")

    def made(self, part: type, *args: Any, **options: Any) -> Any:
        """An instance of `part` of the method, with its constants."""
        return part(*args, **options, **self.method.constants_of(part, self.constants or {}))

    def told(self) -> dict[str, Any]:
        """What identifies the plan, as JSON. Raises `InputError` where the file of accuracies cannot be read."""
        file = self._judging.get("accuracies")
        return {
            **({} if file is None else {"accuracies": _digest(Path(file))}),
            "strategy": self.strategy,
            "constants": dict(self.constants or {}),
            "objective": self.joins,
            "evaluator": self.judged_by,
            "learns": self.learns,
            "sharing": self.sharing or self.method.sharing,
            "used": self.used,
        }


def _digest(path: Path) -> str:
    """What tells the table of accuracies in `path` from another."""
    try:
        return sha256(path.read_bytes())[:16]
    except OSError as error:
        raise InputError(f"cannot read table of accuracies {path}: {error.strerror or error}") from None


def constants(strategy: str, settings: list[str]) -> dict[str, Any]:
    """`settings`, each NAME=VALUE, as values of the kind that the strategy's own are. Raises `InputError`."""
    known = methods.get(strategy).defaults
    found = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"give a constant as NAME=VALUE, not {setting!r}")
        found[name] = _value(name, text, known.get(name))
    return found


def _value(name: str, text: str, like: Any) -> Any:
    """`text` as a value like `like`; where that says nothing, a number if it reads as one."""
    try:
        if isinstance(like, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(like, int | float):
            return type(like)(text)
    except (KeyError, ValueError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[type(like)]
        raise InputError(f"{name} is {kind}, not {text!r}") from None
    if like is None:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                pass
    return text
