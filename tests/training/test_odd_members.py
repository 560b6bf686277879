"""Odd images and members of shards: what is said of them, and what becomes of them."""

import io
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from test_data_others_shards import items, number, photo, write

from hwnas.pipeline.data import check, pack
from hwnas.testing import refused
from hwnas.training import decode
from hwnas.training import streamed as streamed_splits
from hwnas.training.data import load
from hwnas.training.duplicates import groups
from hwnas.training.packed import PLACES
from hwnas.training.reading import Reading
from hwnas.training.scanned import _read_label
from hwnas.training.sheet import write_sheet


def test_oddities_of_single_images_are_told(images):
    Image.fromarray(np.full((9, 9), 0.5, np.float32)).save(images / "red" / "float.tif")
    Image.new("RGB", (20, 7)).save(images / "red" / "flat.png")
    Image.new("RGB", (20, 20)).save(images / "red" / "exif.png", exif=b"Exif\0\0no TIFF at all")
    found = check(images, progress=None).oddities
    assert found["grey of floats"] == 1
    assert found["under 8 pixels wide or high"] == 1
    assert found["damaged EXIF block, not used"] == 1


def test_lonely_and_loose_images_are_problems(images):
    Image.new("RGB", (9, 9)).save(images / "loose.png")
    (images / "rare").mkdir()
    for index in range(2):
        Image.new("RGB", (9, 9), (index, 0, 90)).save(images / "rare" / f"{index}.png")
    assert check(images, progress=None).problems[-2:] == (
        "only one training image, and so none to validate on: class rare",
        "1 images are in no class, as loose.png",
    )


def test_where_no_test_image_can_be_read_none_looks_like_another(images):
    images.rename(images.parent / "train")
    for split in ("train", "test"):
        (images / split).mkdir(parents=True)
    images.joinpath("train").rmdir()
    (images.parent / "train").rename(images / "train")
    for name in ("blue", "green", "red"):
        (images / "test" / name).mkdir()
        (images / "test" / name / "0.png").write_text("damaged")
    found = check(images, progress=None)
    assert (len(found.unreadable), found.alike) == (3, ())


def test_digests_that_are_not_known_are_of_no_group():
    assert groups([b"", b"a", b"", b"b", b"a"]) == [[1, 4]]


def test_a_sheet_shows_all_images_of_a_small_class(images, tmp_path):
    for path in sorted((images / "red").iterdir())[3:]:
        path.unlink()
    (images / "red" / "0.png").write_text("damaged")
    assert write_sheet(images, tmp_path / "sheet.png") == (3, 8 + 8 + 2)


def test_members_that_are_no_image_are_left_out(tmp_path):
    write(tmp_path / "set" / "a.tar", [*items(6, number), (".hidden.png", b"1"), ("0001.txt", b"a caption")])
    with tarfile.open(tmp_path / "set" / "a.tar", "a") as shard:
        folder = tarfile.TarInfo("photos")
        folder.type = tarfile.DIRTYPE
        shard.addfile(folder)
    data = load(tmp_path / "set", 8)
    assert len(data.train) + len(data.test) == 6


@pytest.mark.parametrize(
    ("content", "end", "label"),
    [(b" owl\n", "cls", "owl"), (b" ", "cls", None), (b"\xff", "cls", None), (b"{", "json", None), (b"3", "json", "3"),
     (b'{"class_id": 4}', "json", "4"), (b'{"caption": "wood"}', "json", None), (b"true", "json", None),
     (b"[1]", "json", None)],
)  # fmt: skip
def test_the_label_of_a_member(content, end, label):
    assert _read_label(content, end) == label


@pytest.fixture
def packed(tmp_path):
    """Packed shards of 12 images, and what was said of packing them."""
    for name in ("cat", "owl"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(6):
            (tmp_path / "set" / name / f"{index}.png").write_bytes(photo(10 * index))
    (tmp_path / "packed").mkdir()
    return pack(tmp_path / "set", out=tmp_path / "packed", progress=None)


def test_an_empty_folder_is_packed_into_and_the_size_is_that_of_its_shards(packed):
    assert packed.bytes == sum(path.stat().st_size for path in packed.path.glob("*.tar"))


def test_a_shard_that_got_shorter_ends_before_its_image(packed):
    store = load(packed.path, 8, reading=Reading(stream=True)).train.store
    first = store.locate(0)
    copy = pickle.loads(pickle.dumps(store))
    assert copy._open == {}, "each process opens its own"
    assert copy.locate(0) == first
    (packed.path / store.files[0]).write_bytes(b"")
    with pytest.raises(OSError, match="ends before the image"):
        store.locate(0)


def test_places_of_other_shards_are_refused(packed):
    places = load_file(packed.path / PLACES)
    places["labels"] = places["labels"][1:]
    save_file(places, packed.path / PLACES)
    with refused("data.shards", path=packed.path / PLACES):
        load(packed.path, 8)


def test_a_class_that_became_unreadable_ends_training(images, monkeypatch):
    monkeypatch.setattr(streamed_splits, "_unreadable", set())
    streamed = load(images, 8, reading=Reading(stream=True))
    for path in images.glob("*/*.png"):
        path.write_text("damaged")
    first = sorted(path.relative_to(images).as_posix() for path in images.glob("blue/*.png"))
    lenient = replace(streamed.train, most_bad=100)
    with refused("data.bad-images") as refusal:
        lenient.fitted(np.arange(1))
    assert refusal.error.fields["path"] in first
    assert len(streamed_splits._unreadable) == 8, "all of its class were tried"


def encoded(image, kind):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_nothing_transparent_and_32_bits_that_hold_8_are_as_they_are():
    solid = decode.read_upright(encoded(Image.new("RGBA", (4, 4), (9, 8, 7, 255)), "PNG"))
    assert np.asarray(solid)[0, 0].tolist() == [9, 8, 7]
    small = decode.read_upright(encoded(Image.fromarray(np.full((4, 4), 200, np.int32)), "TIFF"))
    assert np.asarray(small)[0, 0].tolist() == [200, 200, 200]


def test_heic_is_read_where_its_package_is_there(monkeypatch):
    asked, require = [], decode.require

    class Heif:
        @staticmethod
        def register_heif_opener():
            asked.append("registered")

    monkeypatch.setattr(decode, "find_spec", lambda name: name == "pillow_heif")
    monkeypatch.setattr(decode, "require", lambda name: Heif if name == "pillow_heif" else require(name))
    assert decode.prepared_pillow.__wrapped__() is Image
    assert asked == ["registered"]
