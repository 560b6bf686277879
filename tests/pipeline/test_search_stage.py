"""The search as a whole: within the budget as measured, the same after any interruption, clear about bad requests."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from hwnas import devices
from hwnas.errors import InputError
from hwnas.latency.predictor import LatencyPredictor
from hwnas.latency.stats import Estimate
from hwnas.latency.table import Origin, load
from hwnas.nn.state import load_state
from hwnas.pipeline import finals
from hwnas.pipeline.export import export
from hwnas.pipeline.search import search
from hwnas.pipeline.search_run import claim, read_record
from hwnas.pipeline.train import train
from hwnas.space import mobile
from hwnas.space.net import Net
from hwnas.strategies.loops import Schedule
from hwnas.training.recipe import Recipe
from hwnas.training.run import read_net

SCHEDULE = Schedule(warmup_steps=1, steps=24, batch_size=8, arch_lr=0.2, checkpoint_seconds=0)
SCRIPT = """
import sys
import hwnas
from hwnas.strategies.loops import Schedule
hwnas.search(sys.argv[1], float(sys.argv[2]), sys.argv[3], out=sys.argv[4], threads=1, finalists=2,
             schedule=Schedule.model_validate_json(sys.argv[5]), measuring_seconds=2)
"""


def bounds(table):
    return table.predictor(mobile.get(table.space, table.classes)).range()


def budget(table, share=0.3):
    fastest, slowest = bounds(load(table))
    return fastest + share * (slowest - fastest)


def quick(table, ms, images, out, **options):
    return search(table, ms, images, out=out, schedule=SCHEDULE, finalists=2, threads=1, measuring_seconds=2, **options)


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
    assert found.measured.high <= found.budget_ms
    assert found.predicted_low <= found.predicted_ms <= found.predicted_high
    assert found.predicted_ms <= found.budget_ms
    assert found.flags == ()
    assert found.net() == read_net(out) == Net.from_json(found.net().to_json())
    assert read_record(out) == found
    ranked = [finalist.accuracy for finalist in found.finalists]
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
    assert not (cut / "search.state").exists()


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
    key = mobile.get("proxyless-32", 3).slots[-1].candidates[0].key
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


def test_what_the_table_flatters_is_not_chosen(made_up_table, images, tmp_path):
    """Predictions a thousand times too low: no finalist measures within, and the search says so."""
    made_up_table(2e-5, reference=made_up_table().reference).save(tmp_path / "t.json")
    with pytest.raises(InputError, match="none measures within"):
        quick(tmp_path / "t.json", budget(tmp_path / "t.json"), images, tmp_path / "out")


def test_the_most_accurate_that_measures_within_is_chosen(monkeypatch):
    ranked = [finals.Finalist((i,) * 3 + (0,) * 6, 0.1, 5.0, accuracy=0.9 - i / 10) for i in range(6)]
    real = {0: 5.4, 1: 5.2, 2: 5.1, 3: 5.3, 4: 4.9, 5: 4.0}

    def measured(device, nets, **options):
        assert (device, options) == ("npu", {"pace": 1e-4, "time_limit": 2.0})
        times = [real[int(net.name.split(":")[1][0])] for net in nets]
        return [Estimate(ms, ms, ms, ms, ms, ms, ms, 8) for ms in times]

    monkeypatch.setattr(finals, "measure_nets", measured)
    judge = finals.Judge("npu", mobile.get("proxyless-32", 3), 1e-4, 2.0)
    best, known = finals.decide(ranked, judge, 5.0, lambda ratio: [])
    assert best.arch == ranked[4].arch
    assert [finalist.arch for finalist in known] == [finalist.arch for finalist in ranked]


def test_where_no_finalist_fits_those_that_leave_room_for_the_error_are_measured(monkeypatch):
    """Everything takes a tenth longer than predicted."""

    def finalist(ms):
        return finals.Finalist((0,) * 9, 0.1, ms, accuracy=0.5)

    predicted, ratios = iter((5.0, 4.0)), []

    def measured(device, nets, **options):
        ms = 1.1 * next(predicted)
        return [Estimate(ms, ms, ms, ms, ms, ms, ms, 8) for _ in nets]

    monkeypatch.setattr(finals, "measure_nets", measured)
    judge = finals.Judge(None, mobile.get("proxyless-32", 3), 1e-4, 2.0)
    best, known = finals.decide([finalist(5.0)], judge, 5.0, lambda ratio: ratios.append(ratio) or [finalist(4.0)])
    assert ratios == [pytest.approx(1.1)]
    assert best.measured.ms == pytest.approx(4.4)
    assert len(known) == 2


@pytest.fixture
def no_device(monkeypatch):
    """Whatever starts a device fails."""
    monkeypatch.setattr(devices, "get", None)


@pytest.fixture(scope="module")
def published(made_up_table, tmp_path_factory):
    """The path of a table of a phone for 100 classes, as somebody published it."""
    table = made_up_table(classes=100)
    table = replace(
        table,
        device=replace(table.device, device="phone", model="Phone"),
        rows={},
        reference=None,
        overhead=None,
        origin=Origin("A Benchmark", "MIT"),
    )
    # without rows it knows less, which its error says
    space = mobile.get(table.space, table.classes)
    fitted = LatencyPredictor(space, table.networks.indices, table.networks.ms)
    table = replace(table, model=fitted.model, quality=fitted.quality)
    path = tmp_path_factory.mktemp("tables") / "phone.proxyless-32.json"
    table.save(path)
    return path


@pytest.fixture(scope="module")
def predicted(published, images, tmp_path_factory):
    """The folder of a search by that table, and what it returned; not to be changed."""
    out = tmp_path_factory.mktemp("predicted") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "get", None)  # it starts none
        return out, quick(published, budget(published, 0.5), images, out)


def test_a_search_by_a_published_table_starts_no_device_and_says_so(published, predicted):
    out, found = predicted
    table = load(published)
    assert found.measured is found.pace is None
    assert found.device == table.device
    assert found.aim_ms == pytest.approx(found.budget_ms / (1 + table.quality.rmspe))
    assert found.aim_ms < found.budget_ms
    assert found.predicted_low < found.predicted_ms <= found.aim_ms
    assert found.predicted_ms < found.predicted_high
    first = found.finalists[0]
    assert (found.arch, found.predicted_ms) == (first.arch, first.predicted_ms)
    assert first.accuracy == max(finalist.accuracy for finalist in found.finalists)
    assert read_record(out) == found
    assert json.loads((out / "search.json").read_text())["measured"] is None


def test_the_network_has_as_many_classes_as_the_images_and_the_record_tells_of_which_the_latency_is(predicted):
    out, found = predicted
    assert found.classes == read_net(out).classes == 3
    assert found.flags == (
        "latency: predicted, not measured",
        "classes: the latency of the classifier is that of 100 classes, not of 3",
    )


def test_nothing_is_measured_beside_published_latencies(published, images, no_device, tmp_path):
    with pytest.raises(InputError, match=r"phone is published data, .*search without measuring"):
        quick(published, 5.0, images, tmp_path / "out", measured=True)
    with pytest.raises(InputError, match="this search measures nothing: leave out the device cpu"):
        quick(published, 5.0, images, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


def test_what_is_found_by_a_published_table_is_exported_for_a_device_that_is_named(predicted, images, tmp_path):
    folder, _ = predicted
    run, copied = tmp_path / "run", tmp_path / "export"
    train(folder, images, out=run, recipe=Recipe(epochs=1, batch_size=16))
    with pytest.raises(InputError, match=r"the budget is for phone, .* name a device") as error:
        export(run, out=copied, data=images)
    assert "\n" not in str(error.value)
    assert not copied.exists()
    asked = []

    class HereError(Exception):
        pass

    def get(*request):
        asked.append(request)
        raise HereError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "get", get)
        with pytest.raises(HereError):
            export(run, out=copied, data=images, device="cpu")
    assert asked == [("cpu", 1)]


def test_a_search_by_a_measured_table_may_be_told_to_measure_nothing(made_up_table, images, no_device, tmp_path):
    foreign = made_up_table()
    foreign = replace(foreign, device=replace(foreign.device, device="elsewhere"))
    foreign.save(tmp_path / "table.json")
    found = quick(tmp_path / "table.json", budget(tmp_path / "table.json"), images, tmp_path / "out", measured=False)
    assert found.measured is None
    assert found.pace == foreign.pace  # so its budget can be held where the device is
    assert found.flags == ("latency: predicted, not measured",)
    with pytest.raises(InputError, match=r"another search \(measured\)"):
        claim(tmp_path / "out", {**found.request, "measured": True})


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
