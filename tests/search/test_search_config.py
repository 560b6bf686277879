"""The configuration of a search: every way to say a setting, and what contradicts."""

import sys

import pytest

from hwnas.search.config import SearchConfig
from hwnas.testing import refused

SAID = {"table": "cpu.proxyless-32", "latency_ms": 0.09}


def test_the_one_limit_need_not_be_told_as_such():
    short, long = SearchConfig.parse(SAID), SearchConfig.parse({"limits": [{"kind": "latency", **SAID}]})
    assert short == long
    assert (short.limit.table, short.limit.latency_ms, short.limit.measure) == ("cpu.proxyless-32", 0.09, None)
    assert SearchConfig.parse(short.to_json()) == short


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"strategy": "spos"}, {"strategy": {"name": "spos", "constants": {}}}),
        ({"strategy": {"name": "ofa", "population": 4}}, {"strategy": {"name": "ofa", "constants": {"population": 4}}}),
        ({"evaluations": 5}, {"budget": {"evaluations": 5}}),
        ({"finalists": 3}, {"finalists": {"count": 3}}),
        ({"weights": "runs/a"}, {"weights": {"from_run": "runs/a"}}),
        ({"measure": False}, {"limits": [{**SAID, "measure": False}]}),
    ],
    ids=str,
)
def test_short_forms_say_the_same(settings, expected):
    assert SearchConfig.parse({**SAID, **settings}) == SearchConfig.parse({"limits": [SAID], **expected})


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("measure=false", ("limit", "measure"), False),
        ("threads=1", ("threads",), 1),
        ("weights.warmup_steps=7", ("weights", "warmup_steps"), 7),
        ("finalists.use=0.9", ("finalists", "use"), 0.9),
        ("units=64", ("strategy", "constants"), {"units": "64"}),
        ("strategy.units=64", ("strategy", "constants"), {"units": "64"}),
        ("objective=tunas", ("objective", "name"), "tunas"),
        ("objective.beta=-1", ("objective", "constants"), {"beta": "-1"}),
        ("evaluator.accuracies=a.json", ("evaluator", "constants"), {"accuracies": "a.json"}),
    ],
)
def test_settings_of_a_command_line(setting, path, value):
    found = SearchConfig.parse(SAID).with_settings([setting])
    for name in path:
        found = getattr(found, name)
    assert found == value


def test_an_option_a_file_and_a_setting():
    file = {**SAID, "strategy": {"name": "ofa", "population": 4}, "weights": {"steps": 5}}
    config = SearchConfig.layered(file, {"latency_ms": 0.1, "weights.steps": 6}, ["weights.lr=0.2"])
    assert (config.limit.latency_ms, config.weights.steps, config.weights.lr) == (0.1, 6, 0.2)
    assert (config.strategy.name, config.strategy.constants) == ("ofa", {"population": 4})
    assert config.weights.model_fields_set == {"steps", "lr"}, "what is not said is the strategy's own"
    with refused("config.contradiction", key="weights.steps", value=6, other="7"):
        SearchConfig.layered(file, {"weights.steps": 6}, ["weights.steps=7"])
    with refused("config.contradiction", key="limits.measure"):
        SearchConfig.layered(file, {"measure": True}, ["measure=false"])


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"table": "a"}, "limits.latency_ms"),
        ({"latency_ms": 1}, "limits.table"),
    ],
)
def test_a_table_and_a_latency_are_needed(settings, key):
    with refused("config.missing", key=key):
        SearchConfig.parse(settings)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"latency_ms": -3}, "limits.latency_ms"),
        ({"latency_ms": float("nan")}, "limits.latency_ms"),
        ({"finalists": {"use": 1.0}}, "finalists.use"),
        ({"finalists": 0}, "finalists.count"),
        ({"evaluations": 0}, "budget.evaluations"),
        ({"weights": {"lr": -1}}, "weights.lr"),
        ({"seed": -1}, "seed"),
        ({"threads": 0}, "threads"),
    ],
    ids=str,
)
def test_a_value_out_of_range_is_refused_by_its_name(settings, key):
    with refused("config.value", key=key):
        SearchConfig.parse({**SAID, **settings})


@pytest.mark.parametrize(
    ("settings", "key", "meant"),
    [
        ({"batch_size": 3}, "batch_size", "weights.batch_size"),
        ({"latency": 3}, "latency", "limits.latency_ms"),
        ({"finalists": {"used": 0.5}}, "finalists.used", "finalists.use"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(settings, key, meant):
    with refused("config.unknown", key=key, nearest=meant):
        SearchConfig.parse({**SAID, **settings})


def test_a_configuration_needs_no_torch():
    assert SearchConfig.__module__ in sys.modules
