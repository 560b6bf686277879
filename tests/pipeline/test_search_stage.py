"""The search as a whole: within the budget as measured, the same after any interruption, clear about bad requests."""

import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from quick_search import SCHEDULE, bounds, budget, quick

from hwnas.errors import InputError
from hwnas.latency.table import load
from hwnas.nn.state import load_state
from hwnas.search.folder import read_record
from hwnas.space import registry
from hwnas.space.net import Net
from hwnas.training.run import read_net

SCRIPT = """
import sys
import hwnas
from hwnas.strategies.loops import Schedule
hwnas.search(sys.argv[1], float(sys.argv[2]), sys.argv[3], out=sys.argv[4], threads=1, finalists=2,
             schedule=Schedule.model_validate_json(sys.argv[5]), measuring_seconds=2)
"""


@pytest.fixture(scope="module")
def undisturbed(made_up_table, images, tmp_path_factory):
    """The paths of a table and of the folder of a search by it, and what that returned; not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    made_up_table().save(folder / "table.json")
    return (
        folder / "table.json",
        folder / "out",
        quick(folder / "table.json", budget(folder / "table.json"), images, folder / "out"),
    )


def test_the_chosen_network_measures_within_the_budget_and_is_written_down(undisturbed, images):
    table, out, found = undisturbed
    assert found.measured.high <= found.latency_ms
    assert found.predicted_low <= found.predicted_ms <= found.predicted_high
    assert found.predicted_ms <= found.latency_ms
    assert found.flags == ()
    assert found.net() == read_net(out) == Net.from_json(found.net().to_json())
    assert read_record(out) == found
    ranked = [finalist.score for finalist in found.finalists]
    assert ranked == sorted(ranked, reverse=True)
    assert len(ranked) >= 2
    assert [sum(row) for row in found.probabilities] == pytest.approx([1] * 9)
    assert quick(table, budget(table), images, out) == found  # finished: read, not run again


def done(checkpoint):
    """The steps that the checkpoint has behind it; 0 where there is none yet."""
    try:
        return load_state(checkpoint)["done"]
    except InputError:
        return 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_an_interrupted_search_ends_as_an_undisturbed_one(undisturbed, images, tmp_path, how):
    """Cut long after the warm-up, where every part of the state counts."""
    table, _, whole = undisturbed
    cut = tmp_path / "cut"
    command = [sys.executable, "-c", SCRIPT, table, str(budget(table)), images, cut, SCHEDULE.model_dump_json()]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while done(cut / "search.state") < 8:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(how)
    process.wait()
    assert 8 <= done(cut / "search.state") < SCHEDULE.total
    assert not (cut / "search.json").exists()
    subprocess.run(command, check=True)
    resumed = read_record(cut)
    assert resumed.probabilities == whole.probabilities
    assert resumed.expected_ms == whole.expected_ms


def test_a_budget_outside_the_space_is_refused_with_both_figures(table, images, tmp_path):
    fastest, slowest = bounds(load(table))
    figures = f"the range is {fastest:.4g} to {slowest:.4g} ms"
    with pytest.raises(InputError, match=f"under the fastest .*{figures}"):
        quick(table, fastest * 0.9, images, tmp_path / "out")
    with pytest.raises(InputError, match=f"over the slowest .*{figures}"):
        quick(table, slowest * 1.1, images, tmp_path / "out")
    for ms in (-3, 0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="above 0"):
            quick(table, ms, images, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_of_another_device_or_other_classes_is_refused(made_up_table, images, tmp_path):
    foreign = made_up_table()
    foreign = replace(foreign, device=replace(foreign.device, model="Another CPU"))
    foreign.save(tmp_path / "foreign.json")
    with pytest.raises(InputError, match="model: Another CPU"):
        quick(tmp_path / "foreign.json", budget(tmp_path / "foreign.json"), images, tmp_path / "out")
    made_up_table().save(tmp_path / "mine.json")
    with pytest.raises(InputError, match=r"10 classes and the table was measured for 3.*--classes 10"):
        quick(tmp_path / "mine.json", budget(tmp_path / "mine.json"), "fashion-mnist-small", tmp_path / "out")


def test_a_table_without_a_row_is_refused_by_name(made_up_table, images, tmp_path):
    whole = made_up_table()
    key = registry.get("proxyless-32", 3).slots[-1].candidates[0].key
    replace(whole, rows={k: row for k, row in whole.rows.items() if k != key}).save(tmp_path / "t.json")
    with pytest.raises(InputError, match=f"no row for {key}"):
        quick(tmp_path / "t.json", 5.0, images, tmp_path / "out")


def test_a_folder_of_something_else_is_left_alone(table, images, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not empty"):
        quick(table, budget(table), images, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_folder_of_another_search_is_refused_naming_what_differs(table, images, tmp_path):
    quick(table, budget(table), images, tmp_path / "out")
    with pytest.raises(InputError, match=r"another search \(seed\)"):
        quick(table, budget(table), images, tmp_path / "out", seed=1)


def test_weights_are_shared_as_asked(table, images, tmp_path, monkeypatch):
    class MadeError(Exception):
        pass

    def supernet(space, seed, sharing):
        raise MadeError(sharing)

    with pytest.raises(InputError, match="no 'tied' weights: give one of separate, collapsed"):
        quick(table, budget(table), images, tmp_path / "out", sharing="tied")
    monkeypatch.setattr("hwnas.search.shared.Supernet", supernet)
    for options, sharing in (({}, "separate"), ({"sharing": "collapsed"}, "collapsed")):
        with pytest.raises(MadeError, match=sharing):
            quick(table, budget(table), images, tmp_path / "out", **options)


def test_what_the_table_flatters_is_not_chosen(made_up_table, images, tmp_path):
    """Predictions a thousand times too low: no finalist measures within, and the search says so."""
    made_up_table(2e-5, reference=made_up_table().reference).save(tmp_path / "t.json")
    with pytest.raises(InputError, match="none measures within"):
        quick(tmp_path / "t.json", budget(tmp_path / "t.json"), images, tmp_path / "out")


def test_finalists_are_measured_on_the_device_that_is_named_if_it_is_the_tables(made_up_table, images, tmp_path):
    text = "{schema: 1, name: %s, transport: {kind: local}, runtime: {kind: onnxruntime, threads: %d}}"
    (tmp_path / "mine.yaml").write_text(text % ("mine", 1))
    (tmp_path / "other.yaml").write_text(text % ("other", 1))
    table = made_up_table()
    replace(table, device=replace(table.device, device="mine")).save(tmp_path / "table.json")
    options = {"ms": budget(tmp_path / "table.json"), "images": images, "out": tmp_path / "out"}
    with pytest.raises(InputError, match="no device 'mine'"):
        quick(tmp_path / "table.json", **options)
    with pytest.raises(InputError, match="device: mine, not other"):
        quick(tmp_path / "table.json", **options, device=str(tmp_path / "other.yaml"))
    assert not (tmp_path / "out").exists()
    assert quick(tmp_path / "table.json", **options, device=str(tmp_path / "mine.yaml")).measured.ms > 0
