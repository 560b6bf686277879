"""What the page of `hwnas data check` says of what was found."""

from pathlib import Path

from hwnas.cli.data import CLASSES, NAMED, _page
from hwnas.training.check import ClassCount, DataCheck


def page(**found) -> list[str]:
    """The lines about a folder of two images, but for what was `found`."""
    usual = {
        "path": Path("photos"), "layout": "one folder per class", "classes": (ClassCount("cat", {"train": 2}),),
        "images": {"train": 2}, "bytes": 10**6, "kinds": {"PNG": 2}, "oddities": {}, "sizes": (), "unreadable": {},
        "ignored": {}, "duplicates": (), "alike": (), "problems": (),
    }  # fmt: skip
    return list(_page(DataCheck(**{**usual, **found})))


def test_images_without_fault_are_said_to_be_so():
    lines = page()
    assert lines[:2] == ["photos: one folder per class", "1 classes; 2 train images; 1.0 MB"]
    assert lines[-2:] == ["kinds: 2 PNG", "nothing is wrong"]


def test_sizes_and_oddities_are_given():
    lines = page(sizes=((1, 2), (3, 4), (5, 6)), oddities={"with alpha": 1})
    assert lines[-3:] == ["sizes: 1×2 to 5×6, the median 3×4", "  1 with alpha", "nothing is wrong"]


def test_problems_take_the_place_of_praise():
    assert page(problems=("one class is empty",))[-1] == "problem: one class is empty"


def test_of_many_names_the_first_are_shown():
    lines = page(unreadable={f"{i}.png": "cut off" for i in range(NAMED + 3)})
    assert f"unreadable, skipped: {NAMED + 3}" in lines
    assert lines.count("  0.png: cut off") == 1
    assert "  and 3 others (--json has all)" in lines


def test_a_file_that_is_there_twice_names_the_other():
    assert "  a.png: same file as b.png, c.png" in page(duplicates=(("a.png", "b.png", "c.png"),))


def test_of_many_classes_the_first_are_shown():
    classes = tuple(ClassCount(f"c{i}", {"train": 1}) for i in range(CLASSES + 2))
    assert "and 2 other classes" in page(classes=classes)
