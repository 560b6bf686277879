"""Every published strategy, as data: what it is made of, and the constants that make it that method."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError

if TYPE_CHECKING:
    from ..nn.choice_block import Sharing  # loads torch, which a list of the strategies does without

Kind = Literal["gradient", "policy", "one-shot", "black box"]

GIVEN = {"self", "space", "limit", "seed", "budget"}
"""Arguments of a part that are not constants of the method."""


@dataclass(frozen=True)
class Method:
    """One strategy.

    `strategy` (module:Class of this package) is a relaxation for `gradient`, a policy for `policy`, and a sampler else.
    `lessons` (module:Class) says how the shared weights are trained where the strategy does not say it itself;
    `objective` is a name of `objective.LOSSES` for a gradient method, and of `objective.REWARDS` else. `sharing`
    is that of the supernet (`Supernet`), as published. `constants` and `schedule` replace defaults of the parts and of
    `loops.Schedule`.
    """

    kind: Kind
    line: str
    paper: str
    strategy: str
    path_sampler: str | None = None
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

    @property
    def parts(self) -> tuple[type, ...]:
        """The classes that it is made of: the strategy, and its lessons if it has any."""
        return tuple(_load(place) for place in (self.strategy, self.path_sampler) if place)

    @property
    def defaults(self) -> dict[str, Any]:
        """Every constant that can be overridden, with its value."""
        found = {}
        for part in self.parts:
            found |= {
                name: parameter.default
                for name, parameter in inspect.signature(part).parameters.items()
                if name not in GIVEN
            }
        return found | dict(self.constants)

    def constants_of(self, part: type, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments that `part` takes of this method's constants and of `overrides`."""
        taken = set(inspect.signature(part).parameters) - GIVEN
        return {name: value for name, value in {**self.constants, **overrides}.items() if name in taken}


def _load(place: str) -> type:
    module, kind = place.split(":")
    return getattr(import_module(f".{module}", __package__), kind)


METHODS: dict[str, Method] = {
    "proxyless": Method(
        "gradient",
        "ProxylessNAS: two-path gates",
        "1812.00332",
        "relaxations.proxyless:ProxylessGradient",
        objective="steered",
    ),
    "proxyless-full": Method(
        "gradient",
        "ProxylessNAS: the same rule over all paths, recomputed one by one",
        "1812.00332",
        "relaxations.proxyless:ProxylessGradient",
        objective="steered",
        constants={"paths": "all"},
    ),
    "darts": Method(
        "gradient",
        "DARTS, first order: a softmax-weighted sum of all paths",
        "1806.09055",
        "relaxations.darts:Darts",
        objective="steered",
    ),
    "darts-second": Method(
        "gradient",
        "DARTS, second order: through one unrolled step of the weights",
        "1806.09055",
        "relaxations.darts:Darts",
        objective="steered",
        constants={"order": 2},
    ),
    "snas": Method(
        "gradient",
        "SNAS: concrete relaxation with annealed temperature, one level",
        "1812.09926",
        "relaxations.snas:Snas",
        objective="steered",
    ),
    "dsnas": Method(
        "gradient",
        "DSNAS: one-hot paths, one level",
        "2002.09128",
        "relaxations.dsnas:Dsnas",
        objective="steered",
    ),
    "fbnet": Method(
        "gradient",
        "FBNet: Gumbel-softmax and its own loss",
        "1812.03443",
        "relaxations.fbnet:FBNet",
        objective="fbnet",
    ),
    "proxyless-r": Method(
        "policy",
        "ProxylessNAS-R: one logit an option, REINFORCE",
        "1812.00332",
        "policies.proxyless_r:ProxylessReinforce",
        objective="proxyless-r",
    ),
    "enas": Method(
        "policy",
        "ENAS: LSTM controller and shared weights in turn",
        "1802.03268",
        "policies.enas:Enas",
    ),
    "mnasnet": Method(
        "policy",
        "MnasNet: LSTM controller, PPO, soft reward (or its hard one: mnasnet-hard)",
        "1807.11626",
        "policies.mnasnet:MnasNet",
        objective="mnasnet-soft",
    ),
    "tunas": Method(
        "policy",
        "TuNAS: one logit an option, absolute reward, op and filter warm-up",
        "2008.06120",
        "policies.tunas:TuNas",
        objective="tunas",
        sharing="collapsed",
        schedule={"warmup_steps": 0, "steps": 6000},  # it warms up in its own first quarter
    ),
    "nas-rl": Method(
        "policy",
        "NAS with RL: two-layer LSTM controller, REINFORCE",
        "1611.01578",
        "policies.nas_rl:NasRl",
    ),
    "one-shot": Method(
        "one-shot",
        "One-Shot: all paths with path dropout, then random search",
        "Bender et al., ICML 2018",
        "samplers.random:RandomSearch",
        path_sampler="path_samplers.path_dropout:PathDropout",
    ),
    "spos": Method(
        "one-shot",
        "Single path one-shot: uniform paths, then evolution",
        "1904.00420",
        "samplers.generational:Generational",
        path_sampler="path_samplers.rules:Uniform",
    ),
    "ofa": Method(
        "one-shot",
        "Once-for-All: progressive shrinking, then evolution",
        "1908.09791",
        "samplers.generational:Generational",
        path_sampler="path_samplers.shrinking:ProgressiveShrinking",
        sharing="collapsed",
        constants={"full_population": 100, "parents": 0.25},
    ),
    "bignas": Method(
        "one-shot",
        "BigNAS: sandwich rule, in-place distillation, coarse-to-fine selection",
        "2003.11142",
        "samplers.coarse_to_fine:CoarseToFine",
        path_sampler="path_samplers.rules:Sandwich",
        sharing="collapsed",
        schedule={"lr_floor": 0.05},
    ),
    "few-shot": Method(
        "one-shot",
        "Few-shot: one slot split into sub-supernets that inherit the one-shot weights, then evolution",
        "2006.06863",
        "samplers.generational:Generational",
        path_sampler="path_samplers.few_shot:FewShot",
    ),
    "random": Method("black box", "Random search", "1902.07638", "samplers.random:RandomSearch"),
    "regularised-evolution": Method(
        "black box", "Tournaments, and the oldest dies", "1802.01548", "samplers.evolution:RegularisedEvolution"
    ),
    "local-search": Method(
        "black box", "The best neighbour, again from another start", "2005.02960", "samplers.local_search:LocalSearch"
    ),
    "nsga2": Method(
        "black box",
        "NSGA-II on accuracy and latency",
        "Deb et al. 2002; 1810.03522",
        "samplers.nsga2:Nsga2",
    ),
    "bananas": Method(
        "black box",
        "BANANAS: path encoding, an ensemble of MLPs, independent Thompson sampling",
        "1910.11858",
        "samplers.bananas:Bananas",
    ),
    "neural-predictor": Method(
        "black box",
        "Neural Predictor: a graph network learned from random architectures",
        "1912.00848",
        "samplers.neural_predictor:NeuralPredictor",
    ),
    "pnas": Method(
        "black box",
        "PNAS: progressively larger architectures, a beam, a predictor",
        "1712.00559",
        "samplers.pnas:Pnas",
    ),
}


def get(name: str) -> Method:
    """The method `name`. Raises `InputError` for no such one."""
    if name not in METHODS:
        raise InputError(f"no strategy {name!r}: there are {', '.join(METHODS)}")
    return METHODS[name]
