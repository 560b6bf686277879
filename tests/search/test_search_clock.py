"""What the parts of a search took: no second twice, none lost, said in the record and at the end."""

import json
from dataclasses import replace
from time import sleep

import pytest
from quick_search import OFTEN, SCHEDULE, latency_within, quick

from hwnas import clock as clocks
from hwnas.cli.search import _latency_lines
from hwnas.clock import Clock, duration_text
from hwnas.nn import state
from hwnas.search.record import RECORD, read_record
from hwnas.strategies.loops import SharedLoop


class Seconds:
    """A clock's hand that tests move."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(clocks, "perf_counter", lambda: self.now)

    def pass_by(self, seconds):
        self.now += seconds
        return seconds


def test_parts_within_parts_count_once_and_the_rest_is_other(monkeypatch):
    hand = Seconds(monkeypatch)
    clock = Clock()
    with clock.part("supernet"):
        hand.pass_by(5.0)
        assert clock.counted("batches", hand.pass_by)(2.0) == 2.0
        hand.pass_by(1.0)
    clock.move(1.5, "supernet", "strategy")
    with pytest.raises(TypeError), clock.part("measuring"):
        hand.pass_by(3.0) + None
    hand.pass_by(0.25)
    assert clock.seconds() == {"batches": 2.0, "supernet": 4.5, "strategy": 1.5, "measuring": 3.0, "other": 0.25}


def test_the_line_tells_the_longest_first_and_the_short_ones_together():
    seconds = {"images": 1.26, "supernet": 41.4, "history": 0.2, "measuring": 18.6, "other": 0.4}
    assert duration_text(seconds) == "62 s: supernet 41 s, measuring 19 s, images 1.3 s"
    assert duration_text({"images": 1.0, "other": 1.0}) == "2.0 s: images 1.0 s, other 1.0 s"


@pytest.fixture(scope="module")
def slowed(made_up_table, images, tmp_path_factory):
    """The result of a search whose checkpoints and steps take longer than they do, without a device."""
    folder = tmp_path_factory.mktemp("slowed")
    made_up_table().save(folder / "table.json")
    step = SharedLoop.weight_step

    def slow_step(self, number):
        sleep(0.02)
        return step(self, number)

    def slow_save(path, value):
        sleep(0.03)
        state.save_state(path, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SharedLoop, "weight_step", slow_step)
        patch.setattr("hwnas.strategies.resumable.save_state", slow_save)
        ms = latency_within(folder / "table.json")
        return quick(folder / "table.json", ms, images, folder / "out", measure=False, weights=OFTEN)


def test_a_search_says_what_each_part_took(slowed):
    seconds = slowed.record.seconds
    steps = SCHEDULE.total
    assert {"images", "problem", "set-up", "supernet", "batches", "strategy", "checkpoints", "history", "finalists",
            "other"} == set(seconds)  # fmt: skip
    assert seconds["supernet"] >= 0.02 * steps
    assert 0.03 * steps <= seconds["checkpoints"]  # one after every step, as `checkpoint_seconds` is 0
    assert read_record(slowed.path) == slowed.record
    (line,) = [line for line in _latency_lines(slowed.record) if line.startswith("took")]
    assert f"{steps} steps, 1 of them to warm up" in line


def test_a_record_that_does_not_say_it_is_read(slowed, tmp_path):
    value = json.loads((slowed.path / RECORD).read_text())
    del value["seconds"], value["repeats"]
    (tmp_path / RECORD).write_text(json.dumps(value))
    record = read_record(tmp_path)
    assert record == replace(slowed.record, seconds={}, repeats=0)
    assert not [line for line in _latency_lines(record) if line.startswith("took")]


def test_a_sampler_says_what_its_scores_took(made_up_table, images, tmp_path):
    made_up_table().save(tmp_path / "t.json")
    found = quick(tmp_path / "t.json", latency_within(tmp_path / "t.json"), images, tmp_path / "out", measure=False,
                  strategy="random", evaluator="params", evaluations=5, objective="accuracy")  # fmt: skip
    assert {"scoring", "strategy", "history", "finalists"} <= set(found.record.seconds)
    assert "supernet" not in found.record.seconds
