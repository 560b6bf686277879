"""The published strategies, as data."""

from collections.abc import Mapping

from .. import references
from .method import Configuration, Method, is_strategy, wrap_class

__all__ = ["METHODS", "Configuration", "Method", "get", "names"]

METHODS: Mapping[str, Method] = {
    "proxyless": Method(
        "gradient",
        "ProxylessNAS: two-path gates",
        "1812.00332",
        "relaxations.proxyless:ProxylessGradient",
        objective="lagrangian",
    ),
    "proxyless-full": Method(
        "gradient",
        "ProxylessNAS: the same rule over all paths, recomputed one by one",
        "1812.00332",
        "relaxations.proxyless:ProxylessGradient",
        objective="lagrangian",
        constants={"paths": "all"},
    ),
    "darts": Method(
        "gradient",
        "DARTS, first order: a softmax-weighted sum of all paths",
        "1806.09055",
        "relaxations.darts:Darts",
        objective="lagrangian",
    ),
    "darts-second": Method(
        "gradient",
        "DARTS, second order: through one unrolled step of the weights",
        "1806.09055",
        "relaxations.darts:Darts",
        objective="lagrangian",
        constants={"order": 2},
    ),
    "snas": Method(
        "gradient",
        "SNAS: concrete relaxation with annealed temperature, one level",
        "1812.09926",
        "relaxations.snas:Snas",
        objective="lagrangian",
    ),
    "dsnas": Method(
        "gradient",
        "DSNAS: one-hot paths, one level",
        "2002.09128",
        "relaxations.dsnas:Dsnas",
        objective="lagrangian",
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


def get(reference: str, *, trusted: bool = True) -> Method:
    """The method that `reference` names: one of `METHODS`, or a `Method` or class of anyone's (see `references`).

    A class is a sampler if it has `ask` and `tell`, a learner if it has `training_paths` and `learn`. Raises
    `InputError` for what there is not or is neither, and where it was read from a file (not `trusted`) and is not
    allowed.
    """
    found = references.resolve("strategies", reference, METHODS, trusted=trusted, accepts=is_strategy).value
    return found if isinstance(found, Method) else wrap_class(found)


def names() -> tuple[str, ...]:
    """The names of all methods, built in and of installed packages."""
    return references.names("strategies", METHODS)
