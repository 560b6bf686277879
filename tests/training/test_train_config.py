"""What is asked of a training: from keywords, a file and a command line, and as the record has it."""

import json
import sys

import pytest

from hwnas.references import allow
from hwnas.testing import refused
from hwnas.training.config import TrainConfig, require_alone
from hwnas.training.recipe import Recipe, RecordedRecipe

PART = """
from hwnas.training.recipe import Recipe

class Slow(Recipe):
    lr: float = 1e-4
    patience: int = 3

slow = Slow(epochs=7)
"""


@pytest.fixture
def part(tmp_path, monkeypatch):
    """The reference of a recipe in a lone file."""
    (tmp_path / "my_recipe.py").write_text(PART)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return f"{tmp_path}/my_recipe.py:slow"


def test_settings_of_the_recipe_have_short_names_everywhere(tmp_path):
    (tmp_path / "train.yaml").write_text("net: net.json\nepochs: 3\nrecipe: {lr: 0.01}\n")
    (tmp_path / "train.json").write_text(json.dumps({"net": "net.json", "recipe": {"epochs": 3, "lr": 0.01}}))
    keywords = TrainConfig.of("net.json", changes={"epochs": 3, "lr": 0.01, "shift": None})
    line = TrainConfig.layered({}, {"net": "net.json", "epochs": 3}, ["lr=0.01"])
    files = [TrainConfig.from_file(tmp_path / name) for name in ("train.yaml", "train.json")]
    assert keywords == line == files[0] == files[1]
    assert (keywords.recipe.epochs, keywords.recipe.lr, keywords.seed) == (3, 0.01, 0)


def test_the_plain_form_reads_back(net, dataset):
    config = TrainConfig.of(net, dataset, Recipe(epochs=2), seed=4, threads=1)
    plain = json.loads(json.dumps(config.to_json()))
    again = TrainConfig.parse(plain)
    assert (again.net, again.data, again.recipe, again.seed, again.threads) == (net, "tiny", config.recipe, 4, 1)


def test_what_there_is_not_is_refused():
    with refused("config.unknown", key="moment"):
        TrainConfig.parse({"net": "net.json", "moment": 0.9})
    with refused("config.value", key="recipe.epochs", value=0):
        TrainConfig.parse({"net": "net.json", "recipe": {"epochs": 0}})
    with refused("config.missing", key="net"):
        TrainConfig.parse({})
    with refused("config.contradiction", key="epochs"):
        require_alone({"data": False, "epochs": True})


def test_a_recipe_by_reference_keeps_its_class_and_takes_settings(part):
    config = TrainConfig.of("net.json", recipe=part, changes={"epochs": 2})
    assert type(config.recipe).__name__ == "Slow"
    assert (config.recipe_name, config.recipe.epochs, config.recipe.lr, config.recipe.patience) == (part, 2, 1e-4, 3)
    record = TrainConfig.from_record(json.loads(json.dumps(config.to_json())))  # runs no code of the reference
    assert type(record.recipe) is RecordedRecipe
    assert record.recipe.to_json() == config.recipe.to_json()


def test_a_file_names_code_only_where_the_caller_repeats_it(part, tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"net": "net.json", "recipe": part}))
    with refused("reference.not-allowed"):
        TrainConfig.from_file(path)
    with allow(part):
        assert TrainConfig.from_file(path).recipe.epochs == 7
