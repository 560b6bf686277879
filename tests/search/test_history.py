"""`history.jsonl`: one line for each look, in order, whatever was cut off in between."""

import json

import numpy as np
import pytest

from hwnas.search.history import History, read_history
from hwnas.testing import refused


def cost(archs):
    return np.array([0.5 + sum(arch) for arch in archs])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.jsonl"


def written(path, *looks):
    history = History(path, cost)
    for stage, step, arch, score in looks:
        history.add(stage, step, arch, score)
    history.close()


def test_every_look_is_one_line_of_json(path):
    written(path, ("weights", 1, (0, 2), -1.5), ("evaluations", 1, (1, 1), 0.25))
    first, second = map(json.loads, path.read_text().splitlines())
    assert set(first) == {"stage", "step", "architecture", "score", "predicted_ms", "seconds"}
    assert (first["stage"], first["step"], first["architecture"]) == ("weights", 1, [0, 2])
    assert (first["score"], first["predicted_ms"]) == (-1.5, 2.5)
    assert (second["stage"], second["score"]) == ("evaluations", 0.25)
    assert 0 <= first["seconds"] <= second["seconds"]


def test_lines_can_be_read_while_it_grows(path):
    history = History(path, cost)
    history.add("weights", 1, (0,), 0.1)
    assert len(read_history(path)) == 1
    history.add("weights", 2, (0,), 0.1)
    assert len(read_history(path)) == 2
    history.close()


def test_steps_that_are_done_again_take_the_place_of_the_old(path):
    written(path, *(("weights", step, (0,), step / 10) for step in (1, 2, 2, 3)))
    before = read_history(path)[1:3]
    written(path, ("weights", 3, (1,), 0.7), ("weights", 4, (1,), 0.8))
    found = read_history(path)
    assert [entry["score"] for entry in found] == [0.1, 0.2, 0.2, 0.7, 0.8]
    assert found[1:3] == before
    assert [entry["seconds"] for entry in found] == sorted(entry["seconds"] for entry in found)


def test_weights_that_are_trained_on_take_all_evaluations_away(path):
    written(path, ("weights", 1, (0,), 0.1), ("evaluations", 1, (0,), 0.2), ("evaluations", 2, (0,), 0.3))
    written(path, ("weights", 2, (0,), 0.4))
    assert [entry["score"] for entry in read_history(path)] == [0.1, 0.4]


def test_a_line_that_was_cut_off_is_not_read(path):
    written(path, ("weights", 1, (0,), 0.1), ("weights", 2, (0,), 0.2))
    path.write_text(path.read_text()[:-20])
    assert [entry["step"] for entry in read_history(path)] == [1]
    written(path, ("weights", 2, (0,), 0.5))
    assert [entry["score"] for entry in read_history(path)] == [0.1, 0.5]


def test_a_full_disk_is_said_and_the_lines_before_are_kept(path, full_disk):
    history = History(path, cost)
    history.add("weights", 1, (0,), 0.1)
    with full_disk(path.stat().st_size + 20):
        with refused("file.not-written", path=path):
            history.add("weights", 2, (0,), 0.2)
        with refused("file.not-written", path=path):
            history.close()
    assert [entry["step"] for entry in read_history(path)] == [1]
    written(path, ("weights", 2, (0,), 0.5))
    assert [entry["score"] for entry in read_history(path)] == [0.1, 0.5]


def test_a_damaged_line_is_told_in_one(path):
    written(path, ("weights", 1, (0,), 0.1), ("weights", 2, (0,), 0.2))
    path.write_text(path.read_text()[5:])
    with refused("search.history", path=str(path)):
        read_history(path)


def test_there_is_none_before_the_first_look(path):
    written(path)
    assert not path.exists()
    assert read_history(path) == []
