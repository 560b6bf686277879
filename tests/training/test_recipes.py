"""The named recipes."""

import pytest

from hwnas.testing import refused
from hwnas.training import recipes
from hwnas.training.config import TrainConfig
from hwnas.training.recipe import Recipe


def test_the_default_is_quick_which_earlier_versions_called_cosine():
    assert recipes.get("quick", trusted=False) == recipes.get("cosine", trusted=False) == Recipe()
    assert TrainConfig.of("net.json", recipe="cosine") == TrainConfig.of("net.json", recipe="quick")


@pytest.mark.parametrize("name", recipes.PRESETS)
def test_each_recipe_says_what_it_is_for_its_source_and_whether_it_mirrors(name):
    found = recipes.describe(name)
    assert found["line"]
    assert found["source"]
    assert found["mirror"] == (name not in ("quick", "finetune"))
    assert found["constants"].keys() == found["descriptions"].keys() == Recipe.model_fields.keys()
    assert all(found["descriptions"].values())
    assert Recipe.parse(found["constants"]) == recipes.get(name, trusted=False)


def test_a_recipe_that_there_is_not_is_refused():
    with refused("reference.unknown"):
        recipes.get("imagenet", trusted=True)


def test_settings_change_a_named_recipe_and_read_back():
    config = TrainConfig.layered(
        {}, {"net": "n.json", "recipe_name": "finetune"}, ["lr=0.1", "crop=0.5,1", "betas=none"]
    )
    assert (config.recipe.lr, config.recipe.crop, config.recipe.betas) == (0.1, (0.5, 1), None)
    assert config.recipe.batch_size == recipes.PRESETS["finetune"].recipe.batch_size
    assert TrainConfig.parse(config.to_json()) == config
