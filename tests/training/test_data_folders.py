"""Folders and lists of images as they really are."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hwnas.testing import refused
from hwnas.training import streamed
from hwnas.training.data import load
from hwnas.training.reading import Reading


@pytest.fixture(autouse=True)
def _lists_of_bad_images_here(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def image(path, colour=(200, 0, 0), size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def classes(folder, names=("cat", "dog"), count=5, end="png"):
    for number, name in enumerate(names):
        for index in range(count):
            image(folder / name / f"{index}.{end}", (40 * number, 10 * index, 0))
    return folder


def counts(data):
    return [len(split) for split in (data.train, data.test, data.val) if split is not None]


@pytest.mark.parametrize(
    ("train", "test"), [("Train", "Test"), ("training", "validation"), ("TRAIN", "valid"), ("train", "testing"),
                        ("Training", "dev"), ("train", "Val")],
)  # fmt: skip
def test_names_of_splits_are_no_classes(tmp_path, train, test):
    classes(tmp_path / "set" / train, count=4)
    classes(tmp_path / "set" / test, count=2)
    data = load(tmp_path / "set", 8)
    assert data.labels == ("cat", "dog")
    assert counts(data) == [8, 4]


def test_a_folder_with_three_splits_has_a_validation_split(tmp_path):
    for name, count in (("train", 4), ("val", 3), ("test", 2)):
        classes(tmp_path / "set" / name, count=count)
    data = load(tmp_path / "set", 8)
    assert counts(data) == [8, 4, 6]
    train, val = data.divided(0.25, seed=0)
    assert train is data.train
    assert val is data.val


def test_classes_may_be_divided_into_splits_and_hold_folders(tmp_path):
    for name in ("cat", "dog"):
        for split, count in (("train", 3), ("test", 2)):
            for index in range(count):
                image(tmp_path / "inner" / name / split / f"{index}.png")
    assert counts(load(tmp_path / "inner", 8)) == [6, 4]
    for name in ("cat", "dog"):
        for part in ("a", "b/c"):
            image(tmp_path / "nested" / name / part / "1.png")
    assert counts(load(tmp_path / "nested", 8)) == [2, 2]


def test_splits_without_classes_are_refused_and_say_what_to_do(tmp_path):
    for name in ("Train", "Test"):
        image(tmp_path / "flat" / name / "1.png")
    with refused("data.no-classes", folder=tmp_path / "flat"):
        load(tmp_path / "flat", 8)
    for name in ("val", "test"):
        classes(tmp_path / "trainless" / name)
    with refused("data.no-train-split"):
        load(tmp_path / "trainless", 8)


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git", ".Trash-1000", "#recycle"])
@pytest.mark.parametrize("where", ["", "cat"])
def test_folders_of_programs_are_left_out(tmp_path, name, where):
    classes(tmp_path / "set")
    image(tmp_path / "set" / where / name / "cat" / "0.png")
    image(tmp_path / "set" / where / name / "0.png")
    data = load(tmp_path / "set", 8)
    assert data.labels == ("cat", "dog")
    assert counts(data) == [8, 2]
    assert name in data.notes[0]


def test_companions_and_other_files_are_left_out_and_told(tmp_path):
    classes(tmp_path / "set")
    (tmp_path / "set" / "cat" / "._0.png").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(200))
    for name in ("Thumbs.db", "notes.txt", ".DS_Store"):
        (tmp_path / "set" / "dog" / name).write_bytes(b"text")
    image(tmp_path / "set" / "loose.png")
    data = load(tmp_path / "set", 8)
    assert counts(data) == [8, 2]
    assert data.notes == (
        "1 images are in no class, as loose.png",
        "4 other files and folders were ignored, as cat/._0.png: a hidden file, or a program's own",
    )


def test_images_of_every_kind_that_can_be_read_count(tmp_path):
    classes(tmp_path / "set")
    for end, kind in (("jfif", "JPEG"), ("gif", "GIF"), ("avif", "AVIF"), ("JPE", "JPEG"), ("jp2", "JPEG2000"),
                      ("tga", "TGA"), ("webp", "WEBP"), ("mpo", "MPO")):  # fmt: skip
        Image.new("RGB", (16, 16), (9, 9, 9)).save(tmp_path / "set" / "cat" / f"other.{end}", kind)
    Image.new("RGB", (16, 16)).save(tmp_path / "set" / "cat" / "without_an_ending", "PNG")
    assert sum(counts(load(tmp_path / "set", 8))) == 10 + 9


def test_an_image_that_cannot_be_read_is_skipped_named_and_counted(tmp_path, caplog):
    classes(tmp_path / "set")
    whole = image(tmp_path / "whole.png", size=(64, 64)).read_bytes()
    (tmp_path / "set" / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "set" / "dog" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    os.symlink("nowhere.png", tmp_path / "set" / "dog" / "gone.png")
    for stream in (False, True):
        data = load(tmp_path / "set", 8, reading=Reading(max_bad=0.3, stream=stream))
        assert sum(counts(data)) == 10
        assert "3 images cannot be read and were skipped: cat/cut.png: " in caplog.text
        assert "pip install pillow-heif" in data.notes[0]
        with refused("data.bad-images", path="cat/cut.png", count=3, images=13) as refusal:
            load(tmp_path / "set", 8, reading=Reading(stream=stream))
        listed = Path(refusal.error.fields["list"]).read_text().splitlines()
        assert [line.split("\t")[0] for line in listed] == ["cat/cut.png", "dog/gone.png", "dog/phone.heic"]


def test_a_class_of_which_nothing_can_be_read_is_named(tmp_path):
    classes(tmp_path / "set")
    for index in range(2):
        (tmp_path / "set" / "owl").mkdir(exist_ok=True)
        (tmp_path / "set" / "owl" / f"{index}.png").write_text("none")
    with refused("data.empty-class", label="owl"):
        load(tmp_path / "set", 8, reading=Reading(max_bad=0.5))


def test_links_do_not_multiply_images(tmp_path):
    classes(tmp_path / "set")
    os.symlink(tmp_path / "set", tmp_path / "set" / "cat" / "all", target_is_directory=True)
    os.symlink("../cat", tmp_path / "set" / "dog" / "cats", target_is_directory=True)
    data = load(tmp_path / "set", 8)
    assert data.labels == ("cat", "dog")
    assert counts(data) == [8, 2]
    classes(tmp_path / "elsewhere", names=("owl",))
    os.symlink(tmp_path / "elsewhere" / "owl", tmp_path / "set" / "owl", target_is_directory=True)
    assert load(tmp_path / "set", 8).labels == ("cat", "dog", "owl")


def test_a_class_of_two_images_is_in_both_splits(tmp_path, caplog):
    classes(tmp_path / "set", count=10)
    classes(tmp_path / "set", names=("rare",), count=2)
    data = load(tmp_path / "set", 8)
    assert (data.train.labels == 2).sum() == (data.test.labels == 2).sum() == 1
    _, validation = data.divided(0.25, seed=0)
    assert set(validation.labels.tolist()) == {0, 1}
    assert "class rare" in caplog.text


ROWS = [("cat/0.png", "kitty"), ("cat/1.png", "kitty"), ("dog/0.png", "dog"), ("dog/1.png", "dog")]


def csv_with_names(rows):
    return "image;class\n" + "".join(f"{path};{label}\n" for path, label in rows)


def csv_without(rows):
    return "\ufeff" + "".join(f'"{path}",{label}\r\n' for path, label in rows)


def json_lines(rows):
    return "".join(json.dumps({"path": path, "label": label}) + "\n" for path, label in rows)


@pytest.mark.parametrize(
    ("name", "write"), [("l.csv", csv_with_names), ("l.csv", csv_without), ("l.jsonl", json_lines)]
)
def test_a_list_of_labels_serves_in_place_of_folders(tmp_path, name, write):
    classes(tmp_path)
    (tmp_path / name).write_text(write(ROWS), encoding="utf-8")
    data = load(tmp_path / name, 8)
    assert (data.name, data.labels) == (name, ("dog", "kitty"))
    assert counts(data) == [2, 2]


def test_a_list_may_say_the_split(tmp_path):
    classes(tmp_path)
    rows = [f"{path},{label},{split}" for (path, label), split in zip(ROWS, ("train", "Test") * 2, strict=True)]
    (tmp_path / "l.csv").write_text("path,label,split\n" + "\n".join(rows))
    data = load(tmp_path / "l.csv", 8)
    assert data.train.images[:, 1, 0, 0].tolist() == [0, 0]
    assert data.test.images[:, 1, 0, 0].tolist() == [10, 10]


@pytest.mark.parametrize(
    ("text", "code", "fields"),
    [
        ("", "data.labels-file", {"line": 1}),
        ("path,label\ncat/0.png\n", "data.labels-file", {"line": 2}),
        (
            "cat/0.png,cat\ncat/9.png,cat\ndog/8.png,dog\n",
            "data.missing-images",
            {"missing": ("cat/9.png", "dog/8.png")},
        ),
        ("cat/0.png,cat\ncat/0.png,dog\n", "data.two-labels", {"path": "cat/0.png"}),
        ("path,label,split\ncat/0.png,cat,holiday\n", "data.labels-file", {"line": 2}),
        ("path,label,split\ncat/0.png,cat,train\ndog/0.png,dog,\n", "data.labels-file", {}),
        ("cat/0.png,cat\n", "data.one-class", {"label": "cat"}),
    ],
)
def test_a_list_that_cannot_be_used_is_one_clear_line(tmp_path, text, code, fields):
    classes(tmp_path)
    (tmp_path / "l.csv").write_text(text)
    with refused(code, **fields):
        load(tmp_path / "l.csv", 8)


def test_a_chosen_folder_is_validated_on_and_is_no_part_of_the_fingerprint(tmp_path):
    classes(tmp_path / "set")
    classes(tmp_path / "other", count=3)
    plain = load(tmp_path / "set", 8)
    chosen = load(tmp_path / "set", 8, val=tmp_path / "other")
    assert counts(chosen) == [8, 2, 6]
    assert chosen.fingerprint == plain.fingerprint == plain.with_validation(0.25, seed=0).fingerprint
    assert chosen.divided(0.5, 0)[1] is chosen.val
    classes(tmp_path / "strange", names=("cat", "owl"))
    with refused("data.other-classes", labels=("owl",)):
        load(tmp_path / "set", 8, val=tmp_path / "strange")


def test_a_streamed_folder_gives_what_one_in_memory_does(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for index in range(6):
            (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 255, (30, 20 + index, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{index}.png")
    held = load(tmp_path / "set", 8)
    lazy = load(tmp_path / "set", 8, reading=Reading(memory="1kB"))
    assert not held.train.streamed
    assert lazy.train.streamed
    assert (lazy.mean, lazy.std) == (held.mean, held.std)
    order = np.array([3, 1, 3])
    for of, part in ((held.train, lazy.train), (held.test.at(5), lazy.test.at(5))):
        assert torch.equal(of.labels, part.labels)
    assert torch.equal(held.train.fitted(order), lazy.train.fitted(order))
    assert torch.equal(held.train.take(order).fitted(np.array([1])), lazy.train.take(order).fitted(np.array([1])))
    assert lazy.train.at(5).fitted(order).shape == (3, 3, 5, 5)
    assert lazy.train.picture(0).size == (20, 30)
    assert lazy.fingerprint == load(tmp_path / "set", 16, reading=Reading(stream=True)).fingerprint
    assert lazy.fingerprint.startswith("files-")


def test_a_streamed_image_that_breaks_later_is_replaced_by_one_of_its_class(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(streamed, "_unreadable", set())
    classes(tmp_path / "set", end="jpg")
    train = load(tmp_path / "set", 8, reading=Reading(stream=True, max_bad=0.15)).train
    names = [train.store.names[place] for place in train.places]
    cats = [index for index, name in enumerate(names) if name.startswith("cat")]
    (tmp_path / "set" / names[cats[-1]]).write_text("damaged")
    for _ in range(2):
        assert torch.equal(train.fitted(np.array(cats[-1:])), train.fitted(np.array(cats[:1]))), (
            "the next, from the first"
        )
    assert train.picture(cats[-1]).size == (8, 8)
    assert caplog.text.count("cannot read the image") == 1
    (tmp_path / "set" / names[cats[0]]).write_text("damaged")
    with refused("data.bad-images", path=names[cats[0]], allowed=1):
        train.fitted(np.array(cats[:1]))
