"""What architectures are worth by themselves."""

import json
from dataclasses import replace
from itertools import product

import pytest
import torch

from hwnas.accuracy.proxies import PROXIES
from hwnas.search import evaluators
from hwnas.search.evaluators import EVALUATORS, IDENTIFYING, ChosenEvaluator
from hwnas.space import registry
from hwnas.space.net import Block
from hwnas.space.space import Choice, Elastic, SearchSpace, Slot
from hwnas.testing import refused
from hwnas.training.data import holdout, load
from hwnas.training.recipe import Recipe
from hwnas.training.train import train

TRAINING = ("short", "full")


def evaluator(name, space, dataset, *, seed, **constants):
    return ChosenEvaluator.find(name, constants).build(space, dataset, seed)


@pytest.fixture(scope="module")
def dataset(images):
    return load(images, 8)


@pytest.fixture(scope="module")
def space():
    slot = Slot((Block("conv", 4, 8, 8, 8, 1, act="relu"), Block("conv", 4, 8, 8, 8, 3, act="relu")))
    return SearchSpace("s", (Block("conv", 3, 4, 8, 8, 3, act="relu"), slot, Block("classifier", 8, 3, 8, 8)))


@pytest.fixture(scope="module")
def accuracies(tmp_path_factory):
    """A file that says 50, 51 and 52 % of every network of NAS-Bench-Macro but one."""
    rows = {"".join(map(str, arch)): {"test_acc": [50, 51, 52]} for arch in product(range(3), repeat=8)}
    path = tmp_path_factory.mktemp("table") / "table.json"
    path.write_text(json.dumps(rows | {"01201201": {"test_acc": [60, 90, 60]}}))
    return path


def test_short_training_is_judged_on_training_images_that_it_does_not_see(space, dataset):
    rest, held = holdout(dataset.train, 0.25, 3)
    expected = train(
        space.derive((1,)), replace(dataset, train=rest, test=held), Recipe(epochs=1, mirror=dataset.flip), 3
    ).top1
    assert evaluator("short", space, dataset, seed=3, epochs=1)((1,)) == expected
    nothing = replace(dataset, test=dataset.test.take(dataset.test.labels.numpy()[:0]))
    assert evaluator("short", space, nothing, seed=3, epochs=1)((1,)) == expected, "nor on the test split"


def test_full_training_is_the_recipe_of_final_networks(space, dataset):
    identities = {name: evaluator(name, space, dataset, seed=0).identity for name in TRAINING}
    assert identities["full"]["recipe"] == Recipe().model_dump(include=IDENTIFYING)
    assert identities["short"]["recipe"] == Recipe(epochs=2).model_dump(include=IDENTIFYING)


def test_a_network_is_trained_at_its_own_resolution(dataset, monkeypatch):
    size = Choice("resolution", ("6", "8"))
    stem = Elastic.of((size,), lambda s: Block("conv", 3, 4, (6, 8)[s], (6, 8)[s], 3, act="relu"))
    head = Elastic.of((size,), lambda s: Block("classifier", 4, 3, (6, 8)[s], (6, 8)[s]))
    shown = []

    def training(net, dataset, *rest):
        shown.append((net.resolution, dataset.resolution, dataset.test.images.shape[-1], dataset.train.images.dtype))
        return train(net, dataset, *rest)

    monkeypatch.setattr(evaluators, "train", training)
    score = evaluator("short", SearchSpace("e", (stem, head)), dataset, seed=0, epochs=1)
    assert all(0 <= score((s,)) <= 1 for s in (0, 1))
    assert shown == [(6, 6, 6, torch.uint8), (8, 8, 8, torch.uint8)]


def test_table_gives_the_mean_or_one_training(dataset, accuracies):
    space = registry.nas_bench_macro(width=0.25, resolution=16)
    scores = [evaluator("table", space, dataset, seed=0, accuracies=str(accuracies), trial=trial) for trial in range(4)]
    assert [score((0, 1, 2) * 2 + (0, 1)) for score in scores] == pytest.approx([0.7, 0.6, 0.9, 0.6])
    assert [score((0,) * 8) for score in scores] == pytest.approx([0.51, 0.5, 0.51, 0.52])


@pytest.mark.parametrize("name", PROXIES)
def test_proxies_look_at_the_same_training_images_each_time(name, space, dataset):
    one, two, other = (evaluator(name, space, dataset, seed=seed, batch=8) for seed in (0, 0, 1))
    assert [one((i,)) for i in (0, 1)] == [two((i,)) for i in (0, 1)]
    assert one((0,)) != one((1,))
    assert (one((0,)) == other((0,))) == (name in ("params", "macs"))


def test_which_training_images_a_proxy_looks_at_depends_on_the_seed(space, dataset, monkeypatch):
    shown = []
    monkeypatch.setitem(PROXIES, "naswot", lambda net, *given: shown.append(given) or 0.0)
    for seed in (0, 1):
        evaluator("naswot", space, dataset, seed=seed, batch=8)((0,))
    training = dataset.normalise(dataset.train.images)
    chosen = []
    for seed, (images, labels, given) in enumerate(shown):
        assert given == seed
        chosen.append([int((training == image).all((1, 2, 3)).nonzero()) for image in images])
        assert dataset.train.labels[chosen[-1]].tolist() == labels.tolist()
    assert len(set(chosen[0])) == 8
    assert sorted(chosen[0]) != sorted(chosen[1])


@pytest.mark.parametrize("name", EVALUATORS)
def test_identity_is_all_that_a_score_depends_on(name, space, dataset, accuracies):
    def identity(**changes):
        if name == "table":
            space_, given = registry.get("nas-bench-macro"), {"accuracies": str(accuracies)}
        else:
            space_, given = space, {"seed": 0}
        return evaluator(name, space_, dataset, **{"seed": 0, **given, **changes}).identity

    assert identity() == json.loads(json.dumps(identity()))
    assert identity()["evaluator"] == name
    changes = {"trial": 1} if name == "table" else {"seed": 1}
    assert identity(**changes) != identity()


@pytest.mark.parametrize("name", EVALUATORS)
def test_a_proxy_gives_no_accuracy(name):
    assert EVALUATORS[name].gives_accuracy == (name not in PROXIES)


@pytest.mark.parametrize(
    ("name", "constants", "code", "fields"),
    [
        ("luck", {}, "reference.unknown", {"group": "evaluators", "reference": "luck"}),
        ("hwnas.errors:InputError", {}, "reference.wrong-kind", {}),
        ("short", {"batch": 3}, "constants.unknown", {"name": "batch"}),
        ("short", {"epochs": 0}, "constants.out-of-range", {"name": "epochs"}),
        ("short", {"validation_share": 1.0}, "constants.out-of-range", {"name": "validation_share"}),
        ("naswot", {"batch": 1}, "constants.out-of-range", {"name": "batch"}),
        ("table", {"accuracies": 5}, "constants.out-of-range", {"name": "accuracies"}),
        ("table", {"trial": True}, "constants.out-of-range", {"name": "trial"}),
        ("table", {}, "evaluators.no-accuracies", {}),
    ],
)
def test_what_cannot_evaluate_is_refused(name, constants, code, fields, space, dataset):
    with refused(code, **fields):
        evaluator(name, space, dataset, seed=0, **constants)


def test_a_table_of_other_networks_is_refused(space, dataset, accuracies):
    with refused("evaluators.other-space", space="s"):
        evaluator("table", space, dataset, seed=0, accuracies=str(accuracies))
    with refused("evaluators.no-trial", trial=4, trainings=3):
        evaluator("table", registry.get("nas-bench-macro"), dataset, seed=0, accuracies=str(accuracies), trial=4)


def test_an_evaluator_of_anyones_is_found_by_its_file(space, dataset, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from pydantic import Field\n"
        "from hwnas.search.evaluators import Evaluator\n"
        "from hwnas.strategies.constants import Constants\n\n"
        "class MineConstants(Constants):\n"
        "    factor: float = Field(default=2.0, gt=0, description='of the score')\n\n"
        "class Mine(Evaluator):\n"
        "    constants, gives_accuracy = MineConstants, False\n\n"
        "    def __call__(self, arch):\n"
        "        return self.settings.factor * sum(arch)\n"
    )
    reference = f"{tmp_path}/mine.py:Mine"
    found = evaluator(reference, space, dataset, seed=0, factor=3.0)
    assert found((1,)) == 3.0
    assert found.identity == {"evaluator": reference, "data": dataset.fingerprint, "seed": 0, "factor": 3.0}
    with refused("reference.not-allowed"):
        ChosenEvaluator.find(reference, trusted=False)
