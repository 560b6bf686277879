"""Published accuracies: read whole or not at all, and the best of those allowed."""

import json
from itertools import product

import numpy as np
import pytest

from hwnas.accuracy.published import PublishedAccuracies
from hwnas.errors import InputError
from hwnas.testing import refused

ARCHS = list(product(range(3), repeat=8))


def rows():
    """A file's contents in which every layer that is no identity is worth 5 %, by training half a percent more."""
    return {
        "".join(map(str, arch)): {"test_acc": [50 + 5 * np.count_nonzero(arch) + 0.5 * i for i in range(3)], "std": 1.0}
        for arch in ARCHS
    }


def written(path, table):
    path.write_text(json.dumps(table))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return PublishedAccuracies.load(written(tmp_path_factory.mktemp("published") / "table.json", rows()))


def test_accuracies_are_parts_of_one(table):
    assert table.space.name == "nas-bench-macro"
    assert table.trainings == 3
    assert table.trials((0, 1, 2, 0, 0, 0, 0, 0)) == pytest.approx((0.6, 0.605, 0.61))
    assert table.accuracy((0, 1, 2, 0, 0, 0, 0, 0)) == pytest.approx(0.605)
    with pytest.raises(InputError):
        table.accuracy((3,) * 8)


def test_the_best_is_of_those_allowed(table):
    assert np.count_nonzero(table.best()) == 8
    few = table.best(lambda archs: np.array([sum(arch) == 2 for arch in archs]))
    assert sorted(few) == [0] * 6 + [1, 1]
    with refused("accuracies.none-allowed"):
        table.best(lambda archs: np.zeros(len(archs), bool))


def test_the_digest_is_of_the_contents(table, tmp_path):
    same, other = (written(tmp_path / name, rows() | changed) for name, changed in
                   (("same", {}), ("other", {"00000000": {"test_acc": [1, 2, 3]}})))  # fmt: skip
    assert PublishedAccuracies.load(same).digest == table.digest
    assert PublishedAccuracies.load(other).digest != table.digest


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda rows: rows.pop("00000000"), "accuracies.incomplete"),
        (lambda rows: rows.update({"0000000a": rows["00000000"]}), "accuracies.name"),
        (lambda rows: rows.update({"00000003": rows["00000000"]}), None),
        (lambda rows: rows.update({"00000000": {"test_acc": [50.0]}}), "accuracies.uneven"),
        (lambda rows: rows.update({"00000000": {"test_acc": [150.0] * 3}}), "file.field"),
        (lambda rows: rows.update({"00000000": {"test_acc": []}}), "file.field"),
        (lambda rows: rows.update({"00000000": {}}), "file.field"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(change, code, tmp_path):
    table = rows()
    change(table)
    with pytest.raises(InputError) as caught:
        PublishedAccuracies.load(written(tmp_path / "table.json", table))
    assert code in (None, caught.value.code)
