"""Shards that others wrote, as webdataset takes them: read without an index, and refused where they are damaged."""

import io
import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from hwnas.pipeline.data import check, pack
from hwnas.testing import refused
from hwnas.training.data import load
from hwnas.training.reading import Reading


def write(path, members):
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            shard.addfile(info, io.BytesIO(content))


def photo(level):
    found = io.BytesIO()
    Image.new("RGB", (12, 10), (level, 0, 0)).save(found, "PNG")
    return found.getvalue()


def items(count, label_of, end="cls", first=0):
    for index in range(first, first + count):
        yield f"./{index:04}.png", photo(index)
        yield f"./{index:04}.{end}", label_of(index % 2)


def number(label):
    return str(10 - 8 * label).encode()


def in_json(label):
    return json.dumps({"label": ("owl", "cat")[label], "caption": "in the wood"}).encode()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("label_of", "end", "labels"), [(number, "cls", ("2", "10")), (in_json, "json", ("cat", "owl"))]
)
def test_shards_without_an_index_are_read(tmp_path, stream, label_of, end, labels):
    write(tmp_path / "set" / "a-000.tar", items(10, label_of, end))
    write(tmp_path / "set" / "a-001.tar", items(10, label_of, end, first=10))
    data = load(tmp_path / "set", 8, reading=Reading(stream=stream))
    assert (data.name, data.labels, data.train.streamed) == ("set", labels, stream)
    assert (len(data.train), len(data.test)) == (16, 4)
    for split in (data.train, data.test):
        levels = split.fitted(np.arange(len(split)))[:, 0, 0, 0]
        assert torch.equal(1 - levels.long() % 2, split.labels), "even ones are the second class"


def test_shards_named_as_splits_are_these(tmp_path):
    for split, count in (("train", 6), ("val", 4), ("test", 2)):
        write(tmp_path / "set" / f"{split}-000000.tar", items(count, number))
    data = load(tmp_path / "set", 8)
    assert [len(split) for split in (data.train, data.val, data.test)] == [6, 4, 2]
    assert check(tmp_path / "set", progress=None).images == {"train": 6, "val": 4, "test": 2}


def test_shards_may_be_what_is_validated_on(tmp_path):
    for name in ("cat", "owl"):
        for index in range(4):
            (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name / f"{index}.png").write_bytes(photo(index))
    write(tmp_path / "others" / "a.tar", items(6, in_json, "json"))
    pack(tmp_path / "set", out=tmp_path / "packed", progress=None)
    for shards, count in (("others", 6), ("packed", 8)):
        data = load(tmp_path / "set", 8, val=tmp_path / shards)
        assert len(data.val) == count
        assert data.fingerprint == load(tmp_path / "set", 8).fingerprint
    with refused("data.other-classes", labels=("10", "2")):
        write(tmp_path / "strange" / "a.tar", items(6, number))
        load(tmp_path / "set", 8, val=tmp_path / "strange")


@pytest.mark.parametrize(
    ("left", "says"), [(0, "is empty"), (3000, "tar archive"), (-10_000, "is cut off"), (100, "tar archive")]
)
def test_a_damaged_shard_is_one_clear_line(tmp_path, left, says):
    path = tmp_path / "set" / "a.tar"
    write(path, items(6, number))
    path.write_bytes(path.read_bytes()[:left] if left >= 0 else whole_members(path))
    with refused("data.shard", path=path) as refusal:
        load(tmp_path / "set", 8)
    assert says in str(refusal.error)


def whole_members(path):
    """The bytes of a shard up to the end of its last member."""
    with tarfile.open(path) as shard:
        last = shard.getmembers()[-1]
    return path.read_bytes()[: last.offset_data + 512]


@pytest.mark.parametrize("odd", [("9.png",), ("9.cls",), ("9.png", "9.jpg", "9.cls")])
def test_an_item_that_is_not_whole_is_named(tmp_path, odd):
    write(tmp_path / "set" / "a.tar", [*items(6, number), *((name, b"1") for name in odd)])
    with refused("data.shard-item", key="9"):
        load(tmp_path / "set", 8)
