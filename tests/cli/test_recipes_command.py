"""`hwnas recipes`: all listed, and each shown with its constants and source."""

import json

from hwnas.training.recipes import PRESETS


def test_the_list_has_every_recipe(hwnas):
    code, out, _ = hwnas("recipes", "--json")
    assert code == 0
    assert [row["name"] for row in json.loads(out)] == list(PRESETS)
    _, out, _ = hwnas("recipes")
    assert all(name in out for name in PRESETS)


def test_one_is_shown_with_its_source_and_constants(hwnas, refused):
    code, out, _ = hwnas("recipes", "show", "imagenet-mobile", "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["constants"]["optimizer"], found["constants"]["drop_path"]) == ("rmsproptf", 0.2)
    _, out, _ = hwnas("recipes", "show", "ra4")
    assert "source: " in out
    assert "2404.10518" in out
    assert "imagenet" in refused("recipes", "show", "imagenet")
