"""What architectures are worth by themselves."""

import json
from dataclasses import replace
from itertools import product

import pytest
import torch

from hwnas.accuracy.proxies import PROXIES
from hwnas.errors import InputError
from hwnas.search.evaluators import EVALUATORS, evaluator, require_objective
from hwnas.space import registry
from hwnas.space.net import Block
from hwnas.space.space import Choice, Elastic, SearchSpace, Slot
from hwnas.strategies.objective import REWARDS
from hwnas.training.data import holdout, load
from hwnas.training.recipe import Recipe
from hwnas.training.train import train

TRAINING = ("short", "full")


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
    expected = train(space.derive((1,)), replace(dataset, train=rest, test=held), Recipe(epochs=1), 3).top1
    assert evaluator("short", space, dataset, seed=3, epochs=1)((1,)) == expected
    nothing = replace(dataset, test=dataset.test.take(dataset.test.labels.numpy()[:0]))
    assert evaluator("short", space, nothing, seed=3, epochs=1)((1,)) == expected, "nor on the test split"


def test_full_training_is_the_recipe_of_final_networks(space, dataset):
    identities = {name: evaluator(name, space, dataset, seed=0).identity for name in TRAINING}
    assert identities["full"]["recipe"] == Recipe().model_dump()
    assert identities["short"]["recipe"] == Recipe(epochs=2).model_dump()


def test_a_network_is_trained_at_its_own_resolution(dataset, monkeypatch):
    size = Choice("resolution", ("6", "8"))
    stem = Elastic.of((size,), lambda s: Block("conv", 3, 4, (6, 8)[s], (6, 8)[s], 3, act="relu"))
    head = Elastic.of((size,), lambda s: Block("classifier", 4, 3, (6, 8)[s], (6, 8)[s]))
    shown = []

    def training(net, dataset, *rest):
        shown.append((net.resolution, dataset.resolution, dataset.test.images.shape[-1], dataset.train.images.dtype))
        return train(net, dataset, *rest)

    monkeypatch.setattr("hwnas.search.evaluators.train", training)
    score = evaluator("short", SearchSpace("e", (stem, head)), dataset, seed=0, epochs=1)
    assert all(0 <= score((s,)) <= 1 for s in (0, 1))
    assert shown == [(6, 6, 6, torch.uint8), (8, 8, 8, torch.uint8)]


def test_table_gives_the_mean_or_one_training(dataset, accuracies):
    space = registry.nas_bench_macro(width=0.25, resolution=16)
    scores = [evaluator("table", space, dataset, seed=0, accuracies=accuracies, trial=trial) for trial in range(4)]
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
            space_, given = registry.get("nas-bench-macro"), {"accuracies": accuracies}
        else:
            space_, given = space, {"seed": 0}
        return evaluator(name, space_, dataset, **{"seed": 0, **given, **changes}).identity

    assert identity() == json.loads(json.dumps(identity()))
    assert identity()["evaluator"] == name
    changes = {"trial": 1} if name == "table" else {"seed": 1}
    assert identity(**changes) != identity()


@pytest.mark.parametrize("name", EVALUATORS)
def test_only_rewards_that_do_not_weigh_a_proxy_against_latency_go_with_one(name):
    for objective in REWARDS:
        if name in PROXIES and objective in ("mnasnet-soft", "mnasnet-hard", "tunas", "proxyless-r"):
            with pytest.raises(InputError, match=f"{name} gives no accuracy, which {objective} weighs"):
                require_objective(name, objective)
        else:
            require_objective(name, objective)


@pytest.mark.parametrize(
    ("name", "constants", "words"),
    [
        ("luck", {}, "no evaluator 'luck': there are short, full, table, naswot"),
        ("short", {"batch": 3}, "the evaluator short has no constant 'batch': it has epochs, held"),
        ("short", {"epochs": 0}, "the evaluator short trains at least 1 epoch, not 0"),
        ("short", {"held": 1.0}, "a fraction between 0 and 1"),
        ("naswot", {"batch": 1}, "the evaluator naswot looks at least at 2 images, not 1"),
        ("table", {}, "the evaluator table needs a file"),
        ("table", {"accuracies": 5}, "accuracies of the evaluator table is a file, not 5"),
        ("table", {"trial": True}, "trial of the evaluator table is a whole number, not True"),
    ],
)
def test_what_cannot_evaluate_is_refused(name, constants, words, space, dataset):
    with pytest.raises(InputError, match=words):
        evaluator(name, space, dataset, seed=0, **constants)


def test_a_table_of_other_networks_is_refused(space, dataset, accuracies):
    with pytest.raises(InputError, match="of the networks of nas-bench-macro, not of s"):
        evaluator("table", space, dataset, seed=0, accuracies=accuracies)
    with pytest.raises(InputError, match="has 3 trainings of each network: 4 is none of them"):
        evaluator("table", registry.get("nas-bench-macro"), dataset, seed=0, accuracies=accuracies, trial=4)
