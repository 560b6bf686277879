"""Tables: written whole, read back equal, and refused for every reason that would make their figures wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hwnas.errors import InputError
from hwnas.latency.table import fit, load, total


def test_round_trip(table, tmp_path):
    table.save(tmp_path / "table.json")
    assert load(tmp_path / "table.json") == table
    table.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "table.json").read_bytes()


def test_truncated_anywhere(table, tmp_path):
    path = tmp_path / "table.json"
    table.save(path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"table\.json"):
            load(path)


def edited(table, path, change):
    table.save(path)
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda value: next(iter(value["rows"].values())).update(ms=0.001), "was changed after"),
        (lambda value: value["rows"].popitem(), "was changed after"),
        (lambda value: value["device"].update(threads=4), "was changed after"),
        (lambda value: value.pop("sha256"), "was changed after"),
        (lambda value: value.update(schema=0), "schema 1"),
        (lambda value: value.clear(), "schema 1"),
    ],
)
def test_hand_edited(table, tmp_path, change, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        load(edited(table, tmp_path / "table.json", change))
    assert "\n" not in str(caught.value)


def test_formatting_is_not_editing(table, tmp_path):
    assert load(edited(table, tmp_path / "table.json", lambda value: None)) == table


def test_no_file_and_no_table(tmp_path):
    (tmp_path / "list.json").write_text("[1, 2]")
    for name in ("absent.json", "list.json"):
        with pytest.raises(InputError, match=name):
            load(tmp_path / name)


def test_another_device_or_space_is_named(table, space):
    table.require(space, table.device)
    table.require(space, replace(table.device, cores=(5,)))
    for change in ({"threads": 2}, {"version": "9"}, {"model": "other"}, {"precision": "int8"}):
        (name,) = change
        with pytest.raises(InputError, match=f"{name}: .*, not "):
            table.require(space, replace(table.device, **change))
    with pytest.raises(InputError, match="tiny of 5 classes, not other of 5 classes"):
        table.require(replace(space, name="other", parts=space.parts[1:]))
    with pytest.raises(InputError, match="of another version"):
        table.require(replace(space, parts=space.parts[1:]))


def test_a_missing_row_is_named(table, space):
    block = space.blocks()[2]
    rows = {key: row for key, row in table.rows.items() if key != block.key}
    with pytest.raises(InputError, match=f"no row for {block.key}"):
        total([block], rows, 0.0)


def test_the_fit_finds_an_affine_relation():
    sums = np.linspace(1, 3, 30)
    measured = 0.2 + 1.1 * sums
    found = fit(measured, sums)
    assert (found.constant, found.scale) == pytest.approx((0.2, 1.1))
    assert (found.spearman, found.within_10) == (1, 1)
    assert found.rmspe < 1e-9
    np.testing.assert_allclose(found(sums), measured)


def test_the_fit_counts_what_it_misses():
    sums = np.linspace(1, 3, 100)
    measured = sums * np.where(np.arange(100) % 10 == 0, 1.3, 1)
    found = fit(measured, sums)
    assert found.within_10 == pytest.approx(0.9)
    assert 0.05 < found.rmspe < 0.12
    assert found.spearman < 1
