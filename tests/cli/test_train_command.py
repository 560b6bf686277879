"""The command that trains: options, a file and settings say one configuration."""

import json

import pytest

from hwnas.files import write_json
from hwnas.space.net import Block, Net

NET = Net((Block("conv", 3, 8, 32, 32, 3, 2, act="relu"), Block("classifier", 8, 10, 16, 16)), "tiny")


@pytest.fixture
def asked(monkeypatch):
    """The configurations that the stage was called with; nothing is trained."""
    from hwnas.pipeline import train as stage

    class StoppedError(Exception):
        pass

    found = []

    def remember(config, out):
        found.append((config, str(out)))
        raise StoppedError

    monkeypatch.setattr(stage, "train", remember)

    def run(hwnas, *words):
        with pytest.raises(StoppedError):
            hwnas("train", *words)
        return found[-1]

    return run


def test_options_win_over_settings_of_a_file(hwnas, asked, tmp_path):
    (tmp_path / "train.yaml").write_text("net: a.json\nseed: 4\nepochs: 3\nrecipe: {lr: 0.1, ema: 0.5}\n")
    config, out = asked(hwnas, "--config", "train.yaml", "--epochs", "2", "--set", "lr=0.01", "--out", "x")
    assert (str(config.net), config.seed, config.data, out) == ("a.json", 4, "fashion-mnist-small", "x")
    recipe = config.recipe
    assert (recipe.epochs, recipe.lr, recipe.ema, recipe.batch_size) == (2, 0.01, 0.5, 64)
    assert str(asked(hwnas, "b.json", "--config", "train.yaml")[0].net) == "b.json"


def test_a_recipe_is_named_on_the_command_line(hwnas, asked, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from hwnas.training.recipe import Recipe\n\n\nclass Mine(Recipe):\n    lr: float = 0.5\n    extra: int = 3\n"
    )
    for said in (["--recipe", "mine.py:Mine"], ["--set", "recipe=mine.py:Mine"]):
        config, _ = asked(hwnas, "a.json", *said, "--epochs", "2", "--set", "recipe.extra=4")
        assert (config.recipe_name, type(config.recipe).__name__) == ("mine.py:Mine", "Mine")
        assert (config.recipe.lr, config.recipe.epochs, config.recipe.extra) == (0.5, 2, 4)


def test_mirroring_and_validation_are_said_in_so_many_words(hwnas, asked):
    config, _ = asked(hwnas, "a.json", "--recipe", "cifar", "--no-mirror", "--val", "20%", "--tensorboard")
    assert (config.recipe_name, config.recipe.mirror, config.val, config.tensorboard) == ("cifar", False, 0.2, True)
    config, _ = asked(hwnas, "a.json", "--mirror", "--val", "0")
    assert (config.recipe_name, config.recipe.mirror, config.val) == ("quick", True, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "net is not given"),
        (["net.json", "--set", "lrr=1"], "lrr"),
        (["net.json", "--set", "lr=fast"], "'fast'"),
        (["net.json", "--epochs", "2", "--set", "epochs=3"], "set twice"),
        (["net.json", "--recipe", "none"], "none"),
        (["net.json", "--config", "absent.yaml"], "absent.yaml"),
    ],
)
def test_what_cannot_be_said_is_one_line(refused, tmp_path, words, said):
    write_json(tmp_path / "net.json", NET.to_json())
    assert said in refused("train", *words)


def test_a_network_is_trained_as_told(hwnas, tmp_path):
    write_json(tmp_path / "net.json", NET.to_json())
    code, printed, _ = hwnas("train", "net.json", "--set", "batch_size=500", "--epochs", "1", "--json")
    assert code == 0
    recipe = json.loads(printed)["config"]["recipe"]
    assert (recipe["batch_size"], recipe["epochs"]) == (500, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--init", "nowhere"], "there are no weights nowhere"),
        (["--init", "photo.pth"], "photo.pth"),
        (["--init", "supernet"], "supernet means the search that found the network"),
        (["--teacher", "supernet"], "supernet means the search that found the network"),
        (["--init", "timm:mobilenet_v9=photo.pth"], "photo.pth"),
    ],
)
def test_weights_that_there_are_not_are_one_line(refused, tmp_path, words, said):
    write_json(tmp_path / "net.json", NET.to_json())
    (tmp_path / "photo.pth").write_bytes(b"\xff\xd8\xff no weights")
    assert said in refused("train", "net.json", *words)
    assert not (tmp_path / "runs").exists()
