"""Shards: written, read back as the folder was, and refused where they are damaged."""

import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from hwnas.pipeline.data import pack
from hwnas.testing import refused
from hwnas.training.data import load
from hwnas.training.reading import Reading

NAMES = ("cat", "dog")


@pytest.fixture
def photos(tmp_path):
    """Two classes of 12 images of about 3 kB."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(12):
            pixels = rng.integers(0, 255, (40, 30 + index, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{index}.{'jpg' if index % 2 else 'png'}")
    return tmp_path / "photos"


@pytest.fixture
def shards(photos):
    pack(photos, out=photos.parent / "shards", shard_bytes=20_000, progress=None)
    return photos.parent / "shards"


def test_shards_are_the_folder(photos, shards):
    found = pack(photos, out=shards.parent / "again", shard_bytes=20_000, progress=None)
    assert len(found.index.shards) > 3
    assert found.images == {"train": 20, "test": 4}
    assert [(shards / shard.file).read_bytes() for shard in found.index.shards] == [
        (found.path / shard.file).read_bytes() for shard in found.index.shards
    ]
    for stream in (True, False):
        folder, packed = (load(path, 16, reading=Reading(stream=stream)) for path in (photos, shards))
        assert (packed.name, packed.labels) == ("photos", NAMES)
        assert packed.fingerprint == folder.fingerprint
        assert (packed.mean, packed.std) == (folder.mean, folder.std)
        order = np.array([7, 0, 19])
        assert torch.equal(packed.train.fitted(order), folder.train.fitted(order))
        assert torch.equal(packed.test.labels, folder.test.labels)


def test_webdataset_reads_them(shards):
    import webdataset

    first = sorted(shards.glob("train-*.tar"))[0]
    items = list(webdataset.WebDataset(str(first), shardshuffle=False).decode("pil"))
    labels = {item["cls"] for item in items}
    assert labels <= {0, 1}
    assert all(item.get("png", item.get("jpg")).height == 40 for item in items)
    with tarfile.open(first) as opened:
        assert len(opened.getnames()) == 2 * len(items)


def cut(path):
    path.write_bytes(path.read_bytes()[:5000])
    return 5000


def empty(path):
    path.write_bytes(b"")
    return 0


def remove(path):
    path.unlink()
    return -1


@pytest.mark.parametrize("spoil", [cut, empty, remove])
def test_a_damaged_shard_is_one_clear_line(shards, spoil):
    path = sorted(shards.glob("train-*.tar"))[1]
    size = spoil(path)
    with refused("data.shard", path=path, size=size):
        load(shards, 16)


def test_a_damaged_index_is_one_clear_line(shards):
    places = shards / "places.safetensors"
    places.write_bytes(places.read_bytes()[:-100])
    with refused("data.shards", path=places):
        load(shards, 16)


def test_nothing_is_left_of_packing_that_fails(photos, monkeypatch):
    def fail(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hwnas.training.pack.write_index", fail)
    with refused("file.not-written"):
        pack(photos, out=photos.parent / "shards", progress=None)
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]
    (photos.parent / "full").mkdir()
    (photos.parent / "full" / "file").touch()
    with refused("folder.not-empty"):
        pack(photos, out=photos.parent / "full", progress=None)


def test_unreadable_images_are_not_packed_and_told(photos):
    (photos / "cat" / "1.jpg").write_bytes((photos / "cat" / "1.jpg").read_bytes()[:500])
    with refused("data.bad-images"):
        pack(photos, out=photos.parent / "shards", progress=None)
    found = pack(photos, out=photos.parent / "shards", max_bad=0.1, progress=None)
    assert list(found.index.skipped) == ["cat/1.jpg"]
    assert sum(found.images.values()) == 23
    assert load(found.path, 16).notes == ("1 images could not be read when it was packed",)
