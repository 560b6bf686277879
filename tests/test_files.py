"""Files are whole or absent, and what is wrong with one is said in a line."""

import os
import stat

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from pydantic import TypeAdapter

from hwnas.files import parse, read_json, replacing, require_empty, versioned, write_json, write_text
from hwnas.nn.state import load_state, save_state
from hwnas.testing import refused


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a", "old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a") as temporary:  # noqa: PT012
        temporary.write_text("half of the n")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_full_disk_is_said_and_leaves_the_old_file(tmp_path, full_disk):
    write_text(tmp_path / "a", "old")
    with full_disk(1000), refused("file.not-written", path=tmp_path / "a"):
        write_text(tmp_path / "a", "new" * 1000)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_a_full_disk_leaves_the_old_state(tmp_path, full_disk):
    save_state(tmp_path / "a", {"weight": torch.ones(3)})
    with full_disk(1000), refused("file.not-written", path=tmp_path / "a"):
        save_state(tmp_path / "a", {"weight": torch.zeros(3000)})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert load_state(tmp_path / "a")["weight"].tolist() == [1, 1, 1]


def test_a_state_may_have_one_tensor_twice_and_parts_of_others(tmp_path):
    whole = torch.arange(6.0).reshape(2, 3)
    save_state(
        tmp_path / "a", {"one": whole, "same": whole, "row": whole[1], "across": whole.T, "none": torch.empty(0)}
    )
    found = load_state(tmp_path / "a")
    assert torch.equal(found["one"], whole)
    assert torch.equal(found["same"], whole)
    assert found["row"].tolist() == [3, 4, 5]
    assert torch.equal(found["across"], whole.T)
    assert found["none"].shape == (0,)


@pytest.mark.skipif(os.name != "posix", reason="umask is POSIX's")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_umask_says_who_may_read_a_file(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "text", "")
        save_state(tmp_path / "state", {"weight": torch.zeros(3)})
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {mode}


def test_json_round_trip_and_what_is_wrong_with_a_file(tmp_path):
    write_json(tmp_path / "deep" / "a.json", {"x": [1, 2.5, None]})
    assert read_json(tmp_path / "deep" / "a.json", "thing") == {"x": [1, 2.5, None]}
    (tmp_path / "cut.json").write_text('{"x": [1, 2')
    with refused("file.not-whole", path=tmp_path / "cut.json", what="thing"):
        read_json(tmp_path / "cut.json", "thing")
    with refused("file.unreadable", path=tmp_path / "none.json", what="thing"):
        read_json(tmp_path / "none.json", "thing")


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=20,
)


@given(value=JSON)
def test_any_value_comes_back_as_it_was(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "any.json"
    write_json(path, value)
    assert read_json(path, "thing") == value


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with refused("file.not-written", path=tmp_path / "file" / "a"):
        write_text(tmp_path / "file" / "a", "")


def test_parse_names_the_field():
    with refused("file.field", where="here", field="1.a"):
        parse(TypeAdapter(list[dict[str, int]]), [{"a": 1}, {"a": "x"}], "here")


def test_only_an_empty_folder_is_empty(tmp_path):
    require_empty(tmp_path / "new")
    require_empty(tmp_path)
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file"):
        with refused("folder.not-empty", folder=path):
            require_empty(path)


def test_a_link_to_nothing_is_no_folder(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nowhere")
    for path in (tmp_path / "loop" / "new", tmp_path / "gone"):
        with refused("folder.not-writable", folder=path):
            require_empty(path)


@pytest.mark.parametrize("value", [[], None, {}, {"schema": 2, "a": 1}])
def test_another_schema_is_refused(value):
    with refused("file.other-schema", where="x.json", schema=1) as refusal:
        versioned(value, 1, "x.json", "table", "measure again")
    assert "measure again" in refusal.message


def test_a_schema_is_taken_off_and_the_value_left_as_it_was():
    value = {"schema": 1, "a": 2}
    assert versioned(value, 1, "x.json", "table") == {"a": 2}
    assert value == {"schema": 1, "a": 2}
