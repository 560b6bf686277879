"""What a configuration comes to: its parts resolved, nothing left to defaults; and what does not go together."""

import pytest

from hwnas.search.config import SearchConfig, Weights
from hwnas.search.plan import Plan
from hwnas.strategies.methods import METHODS
from hwnas.testing import refused

SHORT = {"strategy": "random", "evaluator": "short"}


def config(**settings):
    return SearchConfig.parse({"table": "t", "latency_ms": 1.0, **settings})


def plan(**settings):
    return Plan.of(config(**settings))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_a_plan_by_itself(name):
    found = plan(strategy=name)
    assert found.method is METHODS[name]
    assert found.learns == (METHODS[name].kind in ("gradient", "policy"))
    assert found.shares_weights
    assert found.evaluations == (0 if found.learns else 200)
    assert found.config.objective.name == METHODS[name].objective
    assert found.config.weights.sharing == METHODS[name].sharing
    assert Plan.of(SearchConfig.parse(found.config.to_json())).config == found.config, "it is complete"


def test_a_policy_with_an_evaluator_is_a_sampler():
    found = plan(strategy="mnasnet", evaluator="short", evaluations=10)
    assert (found.learns, found.shares_weights, found.evaluations, found.scored_by) == (False, False, 10, "short")
    inherited = plan(strategy="mnasnet", evaluator="inherited")
    assert (inherited.learns, inherited.shares_weights) == (False, True)


def test_only_rewards_that_weigh_latency_leave_the_strategy_free():
    assert plan(strategy="tunas").weighs_latency
    assert not plan(strategy="enas").weighs_latency
    assert not plan(strategy="tunas", objective="hard").weighs_latency


@pytest.mark.parametrize(
    ("asked", "code", "fields"),
    [
        ({"strategy": "guessing"}, "reference.unknown", {"reference": "guessing"}),
        ({"strategy": "random", "evaluator": "tarot"}, "reference.unknown", {"reference": "tarot"}),
        ({"strategy": "darts", "evaluator": "short"}, "search.evaluator-unused", {"evaluator": "short"}),
        ({"strategy": "enas", "evaluations": 9}, "search.evaluations-unused", {"strategy": "enas"}),
        ({"objective": "guess"}, "reference.unknown", {"reference": "guess"}),
        ({"strategy": {"luck": 7}}, "constants.unknown", {"name": "luck"}),
        ({"objective": {"luck": 7}}, "constants.unknown", {"name": "luck"}),
        ({"objective": {"integral": "fast"}}, "constants.out-of-range", {"name": "integral"}),
        ({"evaluator": {"epochs": 3}}, "search.evaluator-needed", {"constants": ["epochs"]}),
        ({**SHORT, "evaluator": {"name": "short", "batch": 3}}, "constants.unknown", {"name": "batch"}),
        ({**SHORT, "evaluator": {"name": "short", "epochs": 1.5}}, "constants.out-of-range", {"name": "epochs"}),
        ({**SHORT, "weights": {"sharing": "collapsed"}}, "search.weights-unused", {"names": ["sharing"]}),
        ({**SHORT, "weights": {"lr": 0.2}}, "search.weights-unused", {"names": ["lr"]}),
        ({"strategy": "mnasnet", "evaluator": "naswot"}, "search.no-accuracy", {"evaluator": "naswot"}),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(asked, code, fields):
    with refused(code, **fields):
        plan(**asked)


def test_the_schedule_has_the_methods_own_values_where_nothing_is_asked():
    assert plan(strategy="bignas").config.weights.lr_floor == 0.05
    assert plan(strategy="bignas", weights={"lr_floor": 0.2}).config.weights.lr_floor == 0.2
    tunas = plan(strategy="tunas", weights={"batch_size": 8}).config.weights
    assert tunas == Weights(warmup_steps=0, steps=6000, batch_size=8, sharing="collapsed")


def test_text_is_read_as_the_kind_of_its_constant():
    found = Plan.of(config(strategy="ofa").with_settings(["population=40", "weights.lr=0.2"]))
    assert (found.config.strategy.constants["population"], found.config.weights.lr) == (40, 0.2)
