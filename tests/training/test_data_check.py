"""What is said of a folder with every kind of fault."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from hwnas.pipeline.data import check, pack
from hwnas.testing import refused


@pytest.fixture
def odd(tmp_path):
    """Two classes with one of each odd image, a copy in another class, and one that nearly is."""
    rng = np.random.default_rng(0)
    for split, count in (("Train", 5), ("Test", 3)):
        for name in ("cat", "dog"):
            (tmp_path / "odd" / split / name).mkdir(parents=True)
            for index in range(count):
                coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8)).resize((60, 50))
                coarse.save(tmp_path / "odd" / split / name / f"{index}.jpg")
    train, test = tmp_path / "odd" / "Train", tmp_path / "odd" / "Test"
    Image.open(train / "cat" / "0.jpg").resize((90, 75)).save(test / "dog" / "near.jpg", quality=60)
    (train / "dog" / "copy.jpg").write_bytes((train / "cat" / "1.jpg").read_bytes())
    (train / "dog" / "cut.jpg").write_bytes((train / "cat" / "2.jpg").read_bytes()[:400])
    exif = Image.Exif()
    exif[0x112] = 6
    Image.open(train / "cat" / "3.jpg").rotate(90).save(train / "cat" / "turned.jpg", exif=exif)
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(train / "cat" / "nothing.png")
    Image.fromarray(np.arange(2500, dtype=np.uint16).reshape(50, 50) * 20).save(train / "cat" / "deep.png")
    Image.new("RGB", (100, 10)).save(
        train / "dog" / "long.gif", save_all=True, append_images=[Image.new("RGB", (100, 10), "red")]
    )
    (train / "dog" / "._0.jpg").write_bytes(b"Mac OS X")
    os.symlink(tmp_path / "odd", train / "dog" / "all")
    return tmp_path / "odd"


def test_everything_is_counted_and_named(odd, tmp_path):
    found = check(odd, sheet=tmp_path / "sheet.png", progress=None)
    assert found.layout == "Train/, Test/ with one folder per class in each"
    assert found.images == {"train": 16, "test": 7}
    assert {one.name: one.images for one in found.classes} == {
        "cat": {"train": 8, "test": 3},
        "dog": {"train": 8, "test": 4},
    }
    assert found.kinds == {"JPEG RGB": 19, "PNG RGBA": 1, "PNG I;16": 1, "GIF P": 1}
    assert set(found.unreadable) == {"Train/dog/cut.jpg"}
    assert found.ignored == {"Train/dog/._0.jpg": "a hidden file, or a program's own",
                             "Train/dog/all": "a link to a folder that is here already"}  # fmt: skip
    assert found.duplicates == (("Train/cat/1.jpg", "Train/dog/copy.jpg"),)
    assert found.alike == (("Test/dog/near.jpg", "Train/cat/0.jpg"),)
    assert sorted(text.split(",")[0] for text in found.oddities) == [
        "grey of 16 bits", "over 4 times as long as wide", "several frames or pages", "transparent",
        "turned upright as its EXIF orientation says",
    ]  # fmt: skip
    assert set(found.oddities.values()) == {1}
    assert found.sizes == ((100, 10), (60, 50), (90, 75))
    assert [problem.split(" ")[0] for problem in found.problems] == ["1", "1", "1"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (4 + 8 * 100, 2 * 116)
        assert sheet.getpixel((50, 60)) != (255, 255, 255)


def test_a_clean_folder_and_its_shards_have_no_problem(images, tmp_path):
    found = check(images, progress=None)
    pack(images, out=tmp_path / "shards", progress=None)
    packed = check(tmp_path / "shards", progress=None)
    assert not found.problems
    assert (packed.images, packed.kinds, packed.classes) == (found.images, found.kinds, found.classes)


def test_a_sheet_is_a_picture(images, tmp_path):
    with refused("data.sheet"):
        check(images, sheet=tmp_path / "sheet.txt", progress=None)


def test_a_page_and_json(odd, capsys):
    from hwnas.cli.data import check as command

    command(odd, as_json=False)
    page = capsys.readouterr().out
    for text in (
        "2 classes; 16 train, 7 test images",
        "Train/dog/cut.jpg: ",
        "1 turned upright",
        "like a training image: 1",
    ):
        assert text in page
    command(odd, as_json=True)
    assert json.loads(capsys.readouterr().out)["alike"] == [["Test/dog/near.jpg", "Train/cat/0.jpg"]]
