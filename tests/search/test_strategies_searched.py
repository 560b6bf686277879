"""Searches of every kind of strategy as a user starts them: histories, longer runs, weights that serve again."""

import pytest
from quick_search import SCHEDULE, latency_within, quick

from hwnas.nn.state import load_state
from hwnas.search.history import read_history
from hwnas.testing import refused

LONGER = SCHEDULE.model_copy(update={"steps": SCHEDULE.steps + 6})
MORE = {"weights": {"steps": LONGER.steps}}


@pytest.fixture(scope="module")
def table(made_up_table, tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "table.json"
    made_up_table().save(path)
    return path


@pytest.fixture(scope="module")
def one_shot(table, images, tmp_path_factory):
    """The folder of a finished one-shot search, and its record; not to be changed."""
    out = tmp_path_factory.mktemp("one-shot") / "out"
    return out, search(table, images, out, "spos", evaluations=12)


def search(table, images, out, strategy, share=0.3, **options):
    return quick(table, latency_within(table, share), images, out, strategy=strategy, measure=False, **options).record


def require_within(found):
    assert 0.97 * found.target_ms * (1 - 1e-9) <= found.predicted_ms <= found.target_ms * (1 + 1e-9)
    assert all(finalist.predicted_ms <= found.target_ms * (1 + 1e-9) for finalist in found.finalists)


@pytest.mark.parametrize("strategy", ["darts", "snas", "tunas", "enas"])
def test_a_learner_ends_with_probabilities_and_a_history_of_steps(table, images, tmp_path, strategy):
    found = search(table, images, tmp_path / "out", strategy)
    require_within(found)
    assert [sum(row) for row in found.probabilities] == pytest.approx([1] * 9, abs=1e-5)
    assert found.expected_ms > 0
    assert found.scored_by == "inherited"
    assert 0 < found.overhead < 1
    looks = read_history(tmp_path / "out" / "history.jsonl")
    assert {look["stage"] for look in looks} == {"weights"}
    assert {look["step"] for look in looks} == set(range(1, SCHEDULE.arch_steps + 1))


def test_a_one_shot_search_ends_with_evaluations(one_shot):
    out, found = one_shot
    require_within(found)
    assert (found.probabilities, found.expected_ms) == ((), None)
    looks = read_history(out / "history.jsonl")
    assert [(look["stage"], look["step"]) for look in looks] == [("evaluations", step) for step in range(1, 13)]
    assert all(0 <= look["score"] <= 1 for look in looks)
    assert found.arch in [tuple(look["architecture"]) for look in looks]


def test_an_evaluator_needs_no_shared_weights(table, images, tmp_path):
    found = search(table, images, tmp_path / "out", "regularised-evolution", evaluator="macs", evaluations=30)
    require_within(found)
    assert not (tmp_path / "out" / "search.state").exists()
    assert found.scored_by == "macs"
    macs = {tuple(look["architecture"]): look["score"] for look in read_history(tmp_path / "out" / "history.jsonl")}
    assert max(macs.values()) == macs[found.arch] == found.net().macs


def test_more_evaluations_go_on_from_a_finished_search(table, images, tmp_path):
    first = search(table, images, tmp_path / "out", "random", evaluator="macs", evaluations=5)
    before = read_history(tmp_path / "out" / "history.jsonl")
    more = search(table, images, tmp_path / "out", "random", evaluator="macs", evaluations=9)
    after = read_history(tmp_path / "out" / "history.jsonl")
    assert after[:5] == before
    assert len(after) == 9
    assert more.finalists[0].score >= first.finalists[0].score
    whole = search(table, images, tmp_path / "whole", "random", evaluator="macs", evaluations=9)
    assert whole.arch == more.arch
    with refused("search.shorter", evaluations=9):
        search(table, images, tmp_path / "out", "random", evaluator="macs", evaluations=5)


def test_more_steps_go_on_with_the_rates_that_the_search_began_with(table, images, tmp_path):
    search(table, images, tmp_path / "out", "proxyless")
    begun = load_state(tmp_path / "out" / "search.state")
    found = search(table, images, tmp_path / "out", "proxyless", **MORE)
    assert found.request["length"]["steps"] == LONGER.steps
    ended = load_state(tmp_path / "out" / "search.state")
    assert (begun["done"], ended["done"]) == (SCHEDULE.total, LONGER.total)
    rates = [state["learner"]["optimizer"]["param_groups"][0]["lr"] for state in (begun, ended)]
    assert rates[0] == rates[1]
    looks = read_history(tmp_path / "out" / "history.jsonl")
    assert [look["step"] for look in looks] == list(range(1, LONGER.arch_steps + 1))
    with refused("search.shorter", steps=LONGER.steps):
        search(table, images, tmp_path / "out", "proxyless")


def test_shared_weights_serve_another_latency_without_training(one_shot, table, images, tmp_path):
    source, _ = one_shot
    found = search(table, images, tmp_path / "out", "spos", share=0.6, evaluations=12, weights={"from_run": source})
    require_within(found)
    ours, theirs = (load_state(folder / "search.state") for folder in (tmp_path / "out", source))
    assert all((value == theirs["supernet"][name]).all() for name, value in ours["supernet"].items())
    assert ours["done"] == theirs["done"]
    again = search(table, images, tmp_path / "own", "spos", share=0.6, evaluations=12)
    assert again.arch == found.arch  # trained once more, they are the same


def test_weights_of_another_training_are_refused(one_shot, table, images, tmp_path):
    source, _ = one_shot
    with refused("search.other-weights") as other:
        search(table, images, tmp_path / "a", "bignas", evaluations=5, weights={"from_run": source})
    assert {"strategy.name", "weights.sharing", "weights.lr_floor"} <= set(other.error.fields["names"])
    search(table, images, tmp_path / "learnt", "enas")
    with refused("search.weights-of-one-latency"):
        search(table, images, tmp_path / "b", "enas", weights={"from_run": tmp_path / "learnt"})
    with refused("file.unreadable"):
        search(table, images, tmp_path / "c", "spos", evaluations=5, weights={"from_run": tmp_path / "nothing"})
    with refused("search.shorter", steps=24):
        search(table, images, tmp_path / "d", "spos", evaluations=5, weights={"from_run": source, "steps": 5})
    assert [path.name for path in tmp_path.iterdir()] == ["learnt"]


def test_weights_are_not_of_a_search_without_any_nor_of_another_space(one_shot, made_up_table, table, images, tmp_path):
    proxy = {"evaluator": "macs", "evaluations": 2}
    search(table, images, tmp_path / "proxy", "random", **proxy)
    with refused("search.no-weights", path=str(tmp_path / "proxy")):
        search(table, images, tmp_path / "out", "random", evaluations=2, weights={"from_run": tmp_path / "proxy"})
    source, _ = one_shot
    made_up_table(name="mobilenetv3-32").save(tmp_path / "other.json")
    with refused("search.other-weights", names=["space"]):
        search(tmp_path / "other.json", images, tmp_path / "out", "spos", evaluations=2, weights={"from_run": source})
    assert not (tmp_path / "out").exists()


def test_a_sampler_in_the_folder_of_a_learner_is_refused_naming_what_differs(table, images, tmp_path):
    """The learner began with no evaluations, which nothing of the sampler's may be scaled with."""
    search(table, images, tmp_path / "out", "enas")
    with refused("search.other") as other:
        search(table, images, tmp_path / "out", "regularised-evolution", evaluator="macs", evaluations=2)
    assert other.error.fields["names"][:2] == ["strategy.name", "evaluator.name"]


@pytest.mark.parametrize(("use", "flags"), [(0.0, 0), (1 - 1e-9, 1)], ids=["none asked for", "none as slow"])
def test_a_band_that_holds_no_network_is_opened_downwards_and_told(table, images, tmp_path, use, flags):
    found = search(table, images, tmp_path / "out", "random", finalists={"use": use}, evaluator="macs", evaluations=2)
    assert found.predicted_ms <= found.target_ms * (1 + 1e-9)
    assert len([flag for flag in found.flags if "latency: no network uses" in flag]) == flags
