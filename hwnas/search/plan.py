"""How to search: a published method and what is to differ from it, resolved and checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..strategies import methods, objectives
from ..strategies.base import Learner, Sampler
from ..strategies.limit import Limit
from ..strategies.methods import Configuration, Method
from ..strategies.objectives import Loss, Reward
from ..strategies.path_samplers.base import PathSampler
from .config import Budget, Part, SearchConfig, StrategyPart, Weights
from .evaluators import ChosenEvaluator

INHERITED = "inherited"
"""The evaluator that is no other than the shared weights: accuracy of a child on validation images."""

EVALUATIONS = 200
"""Architectures that a sampler evaluates, unless a budget is given."""


@dataclass(frozen=True)
class Plan:
    """What a `config` comes to: in it, nothing is left to the defaults of the method.

    `evaluator` is None where architectures are scored by the weights that they inherit.
    """

    config: SearchConfig
    method: Method
    constants: Configuration
    evaluator: ChosenEvaluator | None

    @staticmethod
    def of(config: SearchConfig) -> "Plan":
        """Resolve the parts of `config`. Raises `InputError` for what there is not, or does not go together."""
        method = methods.get(config.strategy.name)
        scored_by = config.evaluator.name
        _require_evaluator_of(config, method)
        evaluator = None if scored_by in (None, INHERITED) else ChosenEvaluator.find(
            str(scored_by), config.evaluator.constants)  # fmt: skip
        learns = method.kind == "gradient" or (method.kind == "policy" and scored_by is None)
        _require_fitting(config, learns, evaluator)
        objective = _objective(config, method)
        _require_accuracy(evaluator, _build_objective(method, objective), objective.name or "")
        constants = method.configure(config.strategy.constants)
        named = None if learns else scored_by or INHERITED
        complete = {
            "strategy": StrategyPart(name=config.strategy.name, constants=constants.values()),
            "objective": objective,
            "evaluator": Part(name=named, constants=evaluator.constants.model_dump() if evaluator else {}),
            "weights": _weights(config, method) if evaluator is None else Weights(),
            "budget": Budget() if learns else Budget(evaluations=config.budget.evaluations or EVALUATIONS),
        }
        return Plan(config.model_copy(update=complete), method, constants, evaluator)

    @property
    def learns(self) -> bool:
        """Whether the strategy learns while the shared weights do, and not from evaluations afterwards."""
        return self.config.evaluator.name is None

    @property
    def shares_weights(self) -> bool:
        """Whether there are shared weights."""
        return self.evaluator is None

    @property
    def scored_by(self) -> str:
        """The evaluator that finalists are ranked by."""
        return self.config.evaluator.name or INHERITED

    @property
    def evaluations(self) -> int:
        """Evaluations after the weights are trained; 0 where the strategy learns while they are."""
        return self.config.budget.evaluations or 0

    @property
    def weighs_latency(self) -> bool:
        """Whether the objective weighs the latency, so that the strategy may look at any architecture."""
        return _trades_latency(self.objective())

    def objective(self) -> Loss | Reward:
        """What combines accuracy and latency: a loss for a strategy that follows gradients, else a reward."""
        return _build_objective(self.method, self.config.objective)

    def strategy(self, limit: Limit, budget: int) -> Sampler | Learner:
        """The strategy, for so many evaluations or architecture steps."""
        built: Sampler | Learner = self.method.build(limit.space, limit, self.constants, self.config.seed, budget)
        return built

    def path_sampler(self, limit: Limit) -> PathSampler:
        """What says which paths of the supernet are trained: the method's own, or single paths sampled uniformly."""
        return self.method.build_path_sampler(limit.space, self.constants, self.config.seed)


def _require_evaluator_of(config: SearchConfig, method: Method) -> None:
    """Raise `InputError` for an evaluator beside a method that has none."""
    name, strategy = config.evaluator.name, config.strategy.name
    if method.kind in ("gradient", "one-shot") and name not in (None, INHERITED):
        raise InputError(f"{strategy} scores by shared weights: leave out the evaluator {name}",
                         code="search.evaluator-unused", strategy=strategy, evaluator=name)  # fmt: skip
    if name in (None, INHERITED) and config.evaluator.constants:
        given = ", ".join(config.evaluator.constants)
        raise InputError(f"the accuracy inherited from shared weights has no {given}: name an evaluator",
                         code="search.evaluator-needed", constants=list(config.evaluator.constants))  # fmt: skip


def _require_fitting(config: SearchConfig, learns: bool, evaluator: ChosenEvaluator | None) -> None:
    """Raise `InputError` for a budget of evaluations where there are none, and for weights that nobody needs."""
    if learns and config.budget.evaluations is not None:
        raise InputError(f"{config.strategy.name} learns while the weights do: give it steps, not evaluations",
                         code="search.evaluations-unused", strategy=config.strategy.name)  # fmt: skip
    if evaluator is not None and config.weights != Weights():
        names = [name for name, value in config.weights if value != getattr(Weights(), name)]
        given = ", ".join(f"weights.{name}" for name in names)
        raise InputError(f"{evaluator.name} needs no shared weights: leave out {given}", code="search.weights-unused",
                         evaluator=evaluator.name, names=names)  # fmt: skip


def _require_accuracy(evaluator: ChosenEvaluator | None, objective: Loss | Reward, name: str) -> None:
    """Raise `InputError` where the objective takes a score that is no accuracy for one."""
    if evaluator is not None and not evaluator.kind.gives_accuracy and _trades_latency(objective):
        others = [other for other, kind in objectives.REWARDS.items() if not kind.trades_latency]
        raise InputError(
            f"{evaluator.name} gives no accuracy, which {name} weighs against the latency: "
            f"choose the objective {' or '.join(others)}",
            code="search.no-accuracy", evaluator=evaluator.name, objective=name,
        )  # fmt: skip


def _trades_latency(objective: Loss | Reward) -> bool:
    return not isinstance(objective, Reward) or objective.trades_latency


def _objective(config: SearchConfig, method: Method) -> Part:
    """The objective with every constant."""
    name = objectives.current_name(config.objective.name or method.objective)
    named = Part(name=name, constants=config.objective.constants)
    return named.model_copy(update={"constants": _build_objective(method, named).model_dump()})


def _build_objective(method: Method, asked: Part) -> Loss | Reward:
    make = objectives.loss if method.kind == "gradient" else objectives.reward
    return make(str(asked.name), asked.constants)


def _weights(config: SearchConfig, method: Method) -> Weights:
    """The schedule with the method's own values where nothing is said, and its sharing."""
    asked = config.weights.model_dump(exclude_unset=True)
    own: Mapping[str, Any] = {name: value for name, value in method.schedule.items() if name not in asked}
    sharing = config.weights.sharing or method.sharing
    return Weights.model_validate({**Weights().model_dump(), **asked, **own, "sharing": sharing})
