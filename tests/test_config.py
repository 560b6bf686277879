"""Typed configurations: one name for one setting, wherever it is said."""

import json
from typing import Literal

import pytest
from pydantic import Field

from hwnas.config import Config, field_names, nearest, read_values
from hwnas.testing import refused


class Weights(Config):
    steps: int = Field(default=10, ge=1)
    batch_size: int = 32
    lr: float = 0.1


class Limit(Config):
    kind: Literal["latency"] = "latency"
    table: str


class Small(Config):
    limits: tuple[Limit, ...] = ()
    weights: Weights = Weights()
    seed: int = 0
    measure: bool | None = None


def test_parse_and_json_are_each_others_inverse():
    config = Small.parse({"weights": {"steps": 3}, "limits": [{"table": "cpu"}]})
    assert (config.weights.steps, config.weights.batch_size, config.limits[0].table) == (3, 32, "cpu")
    assert Small.parse(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("text", ["weights: {steps: 3}\nseed: 5", '{"weights": {"steps": 3}, "seed": 5}'])
def test_a_file_says_the_same(tmp_path, text):
    path = tmp_path / ("c.json" if text[0] == "{" else "c.yaml")
    path.write_text(text)
    assert Small.from_file(path) == Small(weights=Weights(steps=3), seed=5)


def test_settings_are_converted_to_the_kind_of_their_field():
    config = Small().with_settings(["weights.lr=1e-3", "measure=false", "weights.steps = 7"])
    assert (config.weights.lr, config.measure, config.weights.steps) == (0.001, False, 7)


def test_an_option_wins_over_the_file():
    config = Small.layered({"seed": 1, "weights": {"steps": 5, "lr": 0.5}}, {"seed": 2, "weights.steps": 6})
    assert (config.seed, config.weights.steps, config.weights.lr) == (2, 6, 0.5)


def test_an_option_and_a_setting_that_differ_are_a_contradiction():
    with refused("config.contradiction", key="weights.batch_size", value=32, other="64"):
        Small.layered({}, {"weights.batch_size": 32}, ["weights.batch_size=64"])
    assert Small.layered({}, {"weights.lr": 0.5}, ["weights.lr=.5"]).weights.lr == 0.5


def test_two_settings_that_differ_are_a_contradiction():
    with refused("config.contradiction", key="seed", value="1", other="2"):
        Small().with_settings(["seed=1", "seed=2"])


@pytest.mark.parametrize(
    ("values", "key", "meant"),
    [
        ({"weights": {"step": 3}}, "weights.step", "weights.steps"),
        ({"batch_size": 3}, "batch_size", "weights.batch_size"),
        ({"limits": [{"table": "cpu", "tabel": 1}]}, "limits.tabel", "limits.table"),
        ({"sed": 3}, "sed", "seed"),
        ({"nonsense": 3}, "nonsense", None),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(values, key, meant):
    with refused("config.unknown", key=key, nearest=meant):
        Small.parse(values)


def test_a_wrong_value_is_refused_with_its_name():
    with refused("config.value", key="weights.steps", value=0):
        Small.parse({"weights": {"steps": 0}})
    with refused("config.missing", key="limits.table"):
        Small.parse({"limits": [{}]})
    with refused("config.setting", setting="seed"):
        Small().with_settings(["seed"])


@pytest.mark.parametrize("text", ["- 1", "a: [", "1: 2"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with refused("config.file", path=str(tmp_path / "c.yaml")):
        read_values(tmp_path / "c.yaml")
    with refused("config.file"):
        read_values(tmp_path / "missing.yaml")


def test_names_and_the_nearest_of_them():
    assert list(field_names(Small))[:3] == ["limits.kind", "limits.table", "weights.steps"]
    assert nearest("batchsize", list(field_names(Small))) == "weights.batch_size"
