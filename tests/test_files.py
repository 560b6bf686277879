"""Files are whole or absent, and what is wrong with one is said in a line."""

import pytest
from pydantic import TypeAdapter

from hwnas.errors import InputError
from hwnas.files import parse, read_json, replacing, require_empty, versioned, write_json, write_text


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a", "old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a") as temporary:  # noqa: PT012
        temporary.write_text("half of the n")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_json_round_trip_and_what_is_wrong_with_a_file(tmp_path):
    write_json(tmp_path / "deep" / "a.json", {"x": [1, 2.5, None]})
    assert read_json(tmp_path / "deep" / "a.json", "thing") == {"x": [1, 2.5, None]}
    (tmp_path / "cut.json").write_text('{"x": [1, 2')
    with pytest.raises(InputError, match=r"cut\.json is not a whole thing"):
        read_json(tmp_path / "cut.json", "thing")
    with pytest.raises(InputError, match=r"cannot read thing .*none\.json: No such file"):
        read_json(tmp_path / "none.json", "thing")


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path / "file" / "a", "")


def test_parse_names_the_field():
    with pytest.raises(InputError, match=r"here: 1\.a: "):
        parse(TypeAdapter(list[dict[str, int]]), [{"a": 1}, {"a": "x"}], "here")


def test_only_an_empty_folder_is_empty(tmp_path):
    require_empty(tmp_path / "new")
    require_empty(tmp_path)
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(InputError, match="not empty"):
            require_empty(path)


@pytest.mark.parametrize("value", [[], None, {}, {"schema": 2, "a": 1}])
def test_another_schema_is_refused(value):
    with pytest.raises(InputError, match=r"^x.json is not a table of schema 1: measure again$"):
        versioned(value, 1, "x.json", "table", "measure again")


def test_a_schema_is_taken_off_and_the_value_left_as_it_was():
    value = {"schema": 1, "a": 2}
    assert versioned(value, 1, "x.json", "table") == {"a": 2}
    assert value == {"schema": 1, "a": 2}
