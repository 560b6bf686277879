"""The training stage with `init` and `teacher`: what is recorded, what is one run, and what is refused in one line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from hwnas.files import write_json
from hwnas.pipeline.train import train
from hwnas.space.net import Block, Net
from hwnas.testing import refused
from hwnas.training.recipe import Recipe
from hwnas.training.run import read_record

RECIPE = Recipe(epochs=1, batch_size=8, lr=1e-3)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with one folder of twenty 8 px images for each of two classes, and one of three."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name, classes in (("two", ("dark", "light")), ("three", ("a", "b", "c"))):
        for index, label in enumerate(classes):
            (folder / name / label).mkdir(parents=True)
            for count in range(20):
                pixels = 60 * index + rng.integers(0, 130, (8, 8, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / name / label / f"{count}.png")
    return folder


def network(classes=2, **changes):
    return Net(
        (
            Block("conv", 3, 8, 8, 8, 3, act="relu6"),
            Block("mbconv", 8, 8, 8, 8, **{"kernel": 3, "expansion": 2, "act": "relu6", **changes}),
            Block("classifier", 8, classes, 8, 8),
        ),
        "t",
    )


@pytest.fixture(scope="module")
def run(images, tmp_path_factory):
    """A run on three classes, whose learning rate is large enough for every weight to move."""
    out = tmp_path_factory.mktemp("run") / "first"
    train(network(3), images / "three", out=out, recipe=Recipe(epochs=2, batch_size=8), progress=None)
    return out


def call(images, out, **options):
    return train(network(), images / "two", out=out, **{"recipe": RECIPE, "progress": None, **options})


def test_a_run_on_other_classes_is_begun_from_and_the_record_says_so(images, run, tmp_path):
    still = {"freeze": "body"}
    found = call(images, tmp_path / "second", init=run, recipe=RECIPE.model_copy(update=still))
    said = read_record(tmp_path / "second").init
    assert said == found.record.init
    assert (said.source, said.kind, said.new) == ("first", "run", ("2.linear.weight", "2.linear.bias"))
    before, after = (load_file(folder / "weights.safetensors") for folder in (run, tmp_path / "second"))
    assert all(torch.equal(before[name], after[name]) for name in before if name not in said.new)
    assert str(run.parent) not in (tmp_path / "second" / "train.json").read_text()
    assert json.loads((tmp_path / "second" / "train.json").read_text())["config"]["init"] == "first"


def test_the_same_call_again_is_the_same_run_and_one_from_other_weights_is_not(images, run, tmp_path):
    first = call(images, tmp_path / "out", init=run)
    assert call(images, tmp_path / "out", init=run) == first
    for other in ({}, {"init": tmp_path / "out"}):
        with refused("training.other-run"):
            call(images, tmp_path / "out", **other)


def test_a_run_teaches_another_and_the_record_says_so(images, run, tmp_path):
    call(images, tmp_path / "teacher")
    found = call(images, tmp_path / "student", teacher=tmp_path / "teacher")
    assert (found.record.teacher.source, found.record.teacher.kind, found.record.teacher.resolution) == (
        "teacher", "run", 8,
    )  # fmt: skip
    alone = call(images, tmp_path / "alone")
    weights = [load_file(one.path / "weights.safetensors")["0.conv.weight"] for one in (found, alone)]
    assert not torch.equal(*weights)
    with refused("training.teacher-classes", classes=3, teacher="first"):
        call(images, tmp_path / "none", teacher=run)
    record = json.loads((tmp_path / "teacher" / "train.json").read_text())
    write_json(tmp_path / "teacher" / "train.json", {**record, "labels": ["light", "dark"]})
    with refused("training.teacher-classes", label="light"):
        call(images, tmp_path / "none", teacher=tmp_path / "teacher")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("change", "code", "fields"),
    [({"kernel": 5}, "initial.other-architecture", {"block": 1}), ({"act": "relu"}, "initial.other-architecture", {})],
)
def test_weights_of_another_architecture_are_refused_before_anything_is_written(
    images, run, tmp_path, change, code, fields
):
    with refused(code, **fields):
        train(network(**change), images / "two", out=tmp_path / "out", recipe=RECIPE, init=run, progress=None)
    assert not (tmp_path / "out").exists()
