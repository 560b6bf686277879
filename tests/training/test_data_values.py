"""Values that say how data are read, lists and records of them: what is taken, and what is refused."""

import json
from pathlib import Path

import pytest

from hwnas.testing import refused
from hwnas.training.config import TrainConfig
from hwnas.training.data import load, load_recorded
from hwnas.training.label_list import list_labelled
from hwnas.training.reading import Reading, read_share, read_size, read_validation
from hwnas.training.run import RECORD, SCHEMA, read_record
from hwnas.training.statistics import IMAGENET, channel_statistics


def test_a_share_may_be_written_in_percent_and_anything_else_stays():
    assert [read_share(value) for value in ("1%", " 25% ", "much%", "0.5", 0.5)] == [0.01, 0.25, "much%", "0.5", 0.5]


def test_a_size_may_be_written_with_a_unit_and_anything_else_stays():
    assert [read_size(value) for value in ("4GiB", " 1.5 kb", "500MB")] == [4 * 2**30, 1500, 500 * 10**6]
    assert [read_size(value) for value in ("manyGiB", "123", 7)] == ["manyGiB", "123", 7]


def test_what_is_validated_on_is_a_share_or_a_path():
    assert [read_validation(value) for value in ("10%", "0.2", "photos", 0.3)] == [0.1, 0.2, Path("photos"), 0.3]


def test_a_loaded_data_set_is_taken_at_its_own_resolution_only(dataset):
    assert load(dataset, 8) is dataset
    with refused("data.resolution", resolution=8, needed=16):
        load(dataset, 16)
    with refused("data.resolution", resolution=0):
        load(dataset, 0)


def test_without_a_validation_split_there_is_no_fingerprint_of_one(dataset):
    assert dataset.val_fingerprint == ""
    assert len(dataset.with_validation(0.25, seed=0).val_fingerprint) == len(dataset.fingerprint)


def test_a_recorded_folder_is_read_again_without_a_fingerprint(images):
    with refused("data.folder-needed", name="images"):
        load_recorded("images", None, 8, None)
    assert load_recorded("images", images, 8, None, progress=None).fingerprint == load(images, 8).fingerprint


def test_statistics_may_be_those_of_published_weights(dataset):
    assert channel_statistics(dataset.train, "imagenet") == IMAGENET


@pytest.fixture
def listed(images):
    """A function that writes a list beside the images, and reads it."""

    def listed_as(text, name="l.csv"):
        path = images / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return list_labelled(path)

    return listed_as


def test_blank_lines_of_a_list_are_nothing(listed):
    rows = [("red/0.png", "red"), ("blue/0.png", "blue")]
    plain = "\n , \n".join(f"{path},{label}" for path, label in rows)
    lines = "\n \n".join(json.dumps({"path": path, "label": label}) for path, label in rows)
    for found in (listed(plain), listed(lines, "l.jsonl")):
        assert found.splits == {"all": [("red/0.png", 1), ("blue/0.png", 0)]}


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        (b"red/0.png,r\xff\n", "l.csv", 1),
        ("path,label,split\nred/0.png,red,train\nblue/0.png,blue,train\n", "l.csv", 1),
        ("path,label,split\nred/0.png,red,val\nblue/0.png,blue,test\n", "l.csv", 1),
        ('{"path": "red/0.png", "label": "red"}\n{"path"\n', "l.jsonl", 2),
        ('{"path": "red/0.png", "label": "red"}\n\n[1]\n', "l.jsonl", 3),
    ],
)
def test_what_is_no_list_is_refused_by_its_line(listed, text, name, line):
    with refused("data.labels-file", line=line):
        listed(text, name)


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with refused("file.unreadable", path=tmp_path / "l.csv"):
        list_labelled(tmp_path / "l.csv")


def test_a_recipe_may_be_a_name(net):
    named = TrainConfig.model_validate({"net": net, "recipe": "quick"})
    assert named == TrainConfig.model_validate({"net": net, "recipe_name": "quick"})


def test_a_record_without_a_configuration_is_refused(tmp_path):
    (tmp_path / RECORD).write_text(json.dumps({"schema": SCHEMA, "config": None}))
    with refused("file.field", field="config"):
        read_record(tmp_path)


def test_what_is_said_of_streaming_goes_before_what_fits_into_memory():
    assert [Reading(memory=most).streams(10, 8) for most in (10 * 3 * 64, 10 * 3 * 64 - 1)] == [False, True]
    assert Reading(stream=True).streams(1, 1)
    assert not Reading(stream=False, memory=0).streams(10, 8)
