"""The search as a whole: within the latency as measured, the same after any interruption, clear about bad requests."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from quick_search import FINALISTS, OFTEN, SCHEDULE, WEIGHTS, bounds, latency_within, quick

import hwnas
from hwnas.errors import InputError
from hwnas.latency.table import load
from hwnas.nn.state import load_state
from hwnas.search import shared
from hwnas.search.config import SearchConfig
from hwnas.search.record import read_record
from hwnas.space import registry
from hwnas.space.net import Net
from hwnas.testing import refused
from hwnas.training.run import read_net

SCRIPT = """
import json, sys
import hwnas
hwnas.search(sys.argv[1], float(sys.argv[2]), sys.argv[3], out=sys.argv[4], threads=1, weights=json.loads(sys.argv[5]),
             finalists=json.loads(sys.argv[6]))
"""


@pytest.fixture(scope="module")
def undisturbed(made_up_table, images, tmp_path_factory):
    """The paths of a table and of the folder of a search by it, and what that returned; not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    made_up_table().save(folder / "table.json")
    return (
        folder / "table.json",
        folder / "out",
        quick(folder / "table.json", latency_within(folder / "table.json"), images, folder / "out"),
    )


def test_the_chosen_network_measures_within_the_budget_and_is_written_down(undisturbed, images):
    table, out, result = undisturbed
    found = result.record
    assert found.measured.high <= found.latency_ms
    assert found.predicted_low <= found.predicted_ms <= found.predicted_high
    assert found.predicted_ms <= found.latency_ms
    assert found.flags == ()
    assert result.path == out
    assert result.net() == found.net() == read_net(out) == Net.from_json(found.net().to_json())
    assert read_record(out) == found
    ranked = [finalist.score for finalist in found.finalists]
    assert ranked == sorted(ranked, reverse=True)
    assert len(ranked) >= 2
    assert [sum(row) for row in found.probabilities] == pytest.approx([1] * 9)
    assert quick(table, latency_within(table), images, out) == result  # finished: read, not run again


def done(checkpoint):
    """The steps that the checkpoint has behind it; 0 where there is none yet."""
    try:
        return load_state(checkpoint)["done"]
    except InputError:
        return 0


def test_an_interrupted_search_ends_as_an_undisturbed_one(undisturbed, images, tmp_path):
    """Cut long after the warm-up, where every part of the state counts: by `kill -9`, and then by Ctrl-C."""
    table, _, whole = undisturbed
    cut, settings = tmp_path / "cut", [json.dumps(WEIGHTS | OFTEN), json.dumps(FINALISTS)]
    command = [sys.executable, "-c", SCRIPT, table, str(latency_within(table)), images, cut, *settings]
    for how, steps in ((signal.SIGKILL, 8), (signal.SIGINT, 14)):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while done(cut / "search.state") < steps:
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(how)
        process.wait()
        assert steps <= done(cut / "search.state") < SCHEDULE.total
        assert not (cut / "search.json").exists()
    resumed = quick(table, latency_within(table), images, cut).record
    assert resumed.probabilities == whole.record.probabilities
    assert resumed.expected_ms == whole.record.expected_ms


def test_a_full_disk_is_said_and_the_same_call_goes_on(table, images, tmp_path, full_disk):
    latency = latency_within(table)
    with full_disk(100_000), refused("file.not-written", path=tmp_path / "out" / "search.state"):
        quick(table, latency, images, tmp_path / "out", weights=OFTEN)
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"request.json", "history.jsonl"}
    assert quick(table, latency, images, tmp_path / "out").path == tmp_path / "out"


def test_a_latency_outside_the_space_is_refused_with_both_figures(table, images, tmp_path):
    fastest, slowest = bounds(load(table))
    for ms in (fastest * 0.9, slowest * 1.1):
        with refused("search.latency-out-of-range", latency_ms=ms, fastest_ms=fastest, slowest_ms=slowest):
            quick(table, ms, images, tmp_path / "out")
    for ms in (-3, 0, float("nan"), float("inf")):
        with refused("config.value", key="limits.latency_ms"):
            quick(table, ms, images, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_of_another_device_or_other_classes_is_refused(made_up_table, images, tmp_path):
    foreign = made_up_table()
    foreign = replace(foreign, device=replace(foreign.device, model="Another CPU"))
    foreign.save(tmp_path / "foreign.json")
    with refused("table.other-device"):
        quick(tmp_path / "foreign.json", latency_within(tmp_path / "foreign.json"), images, tmp_path / "out")
    made_up_table().save(tmp_path / "mine.json")
    with refused("search.other-classes", classes=10, measured=3):
        quick(tmp_path / "mine.json", latency_within(tmp_path / "mine.json"), "fashion-mnist-small", tmp_path / "out")


def test_a_table_without_a_row_is_refused_by_name(made_up_table, images, tmp_path):
    whole = made_up_table()
    key = registry.get("proxyless-32", 3).slots[-1].candidates[0].key
    replace(whole, rows={k: row for k, row in whole.rows.items() if k != key}).save(tmp_path / "t.json")
    with refused("table.missing-row", block=key):
        quick(tmp_path / "t.json", 5.0, images, tmp_path / "out")


def test_a_folder_of_something_else_is_left_alone(table, images, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with refused("folder.not-empty"):
        quick(table, latency_within(table), images, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_folder_of_another_search_is_refused_naming_what_differs(table, images, tmp_path):
    quick(table, latency_within(table), images, tmp_path / "out")
    with refused("search.other", names=["seed"]):
        quick(table, latency_within(table), images, tmp_path / "out", seed=1)


def test_weights_are_shared_as_asked(table, images, tmp_path, monkeypatch):
    class MadeError(Exception):
        pass

    def supernet(space, seed, sharing):
        raise MadeError(sharing)

    with refused("config.value", key="weights.sharing", value="tied"):
        quick(table, latency_within(table), images, tmp_path / "out", weights={"sharing": "tied"})
    monkeypatch.setattr(shared, "Supernet", supernet)
    for weights, sharing in (({}, "separate"), ({"sharing": "collapsed"}, "collapsed")):
        with pytest.raises(MadeError, match=sharing):
            quick(table, latency_within(table), images, tmp_path / "out", weights=weights)


def test_what_the_table_flatters_is_not_chosen(made_up_table, images, tmp_path):
    """Predictions a thousand times too low: no finalist measures within, and the search says so."""
    made_up_table(2e-5, reference=made_up_table().reference).save(tmp_path / "t.json")
    with refused("search.none-fits"):
        quick(tmp_path / "t.json", latency_within(tmp_path / "t.json"), images, tmp_path / "out")


def test_finalists_are_measured_on_the_device_that_is_named_if_it_is_the_tables(made_up_table, images, tmp_path):
    text = "{schema: 1, name: %s, transport: {kind: local}, runtime: {kind: onnxruntime, threads: %d}}"
    (tmp_path / "mine.yaml").write_text(text % ("mine", 1))
    (tmp_path / "other.yaml").write_text(text % ("other", 1))
    table = made_up_table()
    replace(table, device=replace(table.device, device="mine")).save(tmp_path / "table.json")
    options = {"ms": latency_within(tmp_path / "table.json"), "images": images, "out": tmp_path / "out"}
    with refused("device.unknown", name="mine"):
        quick(tmp_path / "table.json", **options)
    with refused("table.other-device"):
        quick(tmp_path / "table.json", **options, device=str(tmp_path / "other.yaml"))
    assert not (tmp_path / "out").exists()
    assert quick(tmp_path / "table.json", **options, device=str(tmp_path / "mine.yaml")).record.measured.ms > 0


def test_a_configuration_says_all_of_it(table, images, tmp_path):
    settings = {"table": str(table), "latency_ms": latency_within(table), "data": str(images), "measure": False,
                "strategy": "random", "evaluator": "macs", "evaluations": 5, "threads": 1}  # fmt: skip
    config = SearchConfig.parse(settings)
    found = hwnas.search(config, out=tmp_path / "a", progress=None)
    same = hwnas.search(table, latency_within(table), images, out=tmp_path / "b", progress=None, measure=False,
                        strategy="random", evaluator="macs", evaluations=5, threads=1)  # fmt: skip
    assert (found.record.arch, found.record.finalists) == (same.record.arch, same.record.finalists)
    asked = json.loads((tmp_path / "a" / "request.json").read_text())
    assert asked["schema"] == 2
    written = SearchConfig.parse(asked["config"])
    assert written.evaluator.constants == {"batch": 128}
    assert written.strategy == config.strategy
    assert hwnas.search(written, out=tmp_path / "a", progress=None) == found
    with refused("search.said-twice"):
        hwnas.search(config, 5.0)
    with refused("config.unknown", key="stategy", nearest="strategy.name"):
        hwnas.search(table, 5.0, stategy="spos")


def test_progress_is_told_and_settings_of_the_process_are_put_back(table, images, tmp_path):
    events, before = [], torch.get_num_threads()
    search = {"measure": False, "strategy": "random", "evaluator": "macs", "evaluations": 5}
    hwnas.search(table, latency_within(table), images, out=tmp_path / "out", threads=before + 1,
                 progress=events.append, **search)  # fmt: skip
    assert torch.get_num_threads() == before
    assert {event.stage for event in events} == {"images", "evaluate", "finalists"}
    assert max(event.done for event in events if event.stage == "evaluate") == 5
