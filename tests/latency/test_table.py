"""Tables: written whole, read back equal, and refused for every reason that would make their figures wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hwnas.errors import InputError
from hwnas.files import sha256
from hwnas.latency.predictor import LatencyPredictor
from hwnas.latency.table import Networks, Origin, load, read_arch, write_arch
from hwnas.testing import refused


@pytest.fixture(scope="module")
def published(table):
    """The same figures of another device, as if somebody had published them: no blocks, no reference."""
    return replace(
        table,
        device=replace(table.device, device="phone"),
        rows={},
        reference=None,
        overhead=None,
        origin=Origin("A Benchmark, 2101.00001", "MIT", ("measured by others",)),
    )


def test_round_trip(table, published, tmp_path):
    for each in (table, published):
        each.save(tmp_path / "table.json")
        assert load(tmp_path / "table.json") == each
        each.save(tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == (tmp_path / "table.json").read_bytes()


def test_a_table_that_is_read_predicts_as_the_one_that_was_written(table, space, tmp_path):
    table.save(tmp_path / "table.json")
    archs, read = table.networks.indices, load(tmp_path / "table.json").predictor(space)
    np.testing.assert_array_equal(read.cost(archs), table.predictor(space).cost(archs))
    np.testing.assert_array_equal(read.interval(archs), table.predictor(space).interval(archs))


def test_truncated_anywhere(table, tmp_path):
    path = tmp_path / "table.json"
    table.save(path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:size])
        with refused("file.not-whole", InputError, path=path):
            load(path)


def edited(table, path, change, reseal=False):
    """The path of the saved table after `change`, sealed again as a careful forger would if `reseal`."""
    table.save(path)
    value = json.loads(path.read_text())
    change(value)
    if reseal:
        content = {name: part for name, part in value.items() if name not in ("schema", "sha256")}
        value["sha256"] = sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda value: next(iter(value["rows"].values())).update(ms=0.001), "table.changed"),
        (lambda value: value["rows"].popitem(), "table.changed"),
        (lambda value: value["networks"]["ms"].__setitem__(0, 0.001), "table.changed"),
        (lambda value: value["model"].update(noise=0.0), "table.changed"),
        (lambda value: value["quality"].update(rmspe=0.0), "table.changed"),
        (lambda value: value["device"].update(threads=4), "table.changed"),
        (lambda value: value.update(mine=1), "table.changed"),
        (lambda value: value.pop("sha256"), "table.changed"),
        (lambda value: value.update(schema=1), "file.other-schema"),
        (lambda value: value.clear(), "file.other-schema"),
    ],
)
def test_hand_edited(table, tmp_path, change, code):
    with refused(code, InputError):
        load(edited(table, tmp_path / "table.json", change))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda value: value.update(mine=1), "mine"),
        (lambda value: value.pop("model"), "model"),
        (lambda value: value["networks"]["ms"].pop(), "networks"),
        (lambda value: value["networks"]["ms"].__setitem__(0, "fast"), "networks.ms.0"),
    ],
)
def test_what_is_no_table_is_refused_although_its_seal_is_right(table, tmp_path, change, field):
    with refused("file.field", InputError, field=field):
        load(edited(table, tmp_path / "table.json", change, reseal=True))


def test_formatting_is_not_editing(table, tmp_path):
    assert load(edited(table, tmp_path / "table.json", lambda value: None)) == table


def test_fields_that_an_earlier_version_did_not_know_are_not_editing(table, tmp_path):
    """The seal is of what the file says, so a table stays whole when the schema gets another field with a default."""
    path = edited(table, tmp_path / "table.json", lambda value: value["device"].pop("governor"), reseal=True)
    assert load(path) == table


def test_no_file_and_no_table(tmp_path):
    (tmp_path / "list.json").write_text("[1, 2]")
    for name, code in (("absent.json", "file.unreadable"), ("list.json", "file.other-schema")):
        with refused(code, InputError):
            load(tmp_path / name)


def test_another_device_or_space_is_named(table, space):
    table.require(space, table.device)
    table.require(space, replace(table.device, cores=(5,)))
    for change in ({"threads": 2}, {"version": "9"}, {"model": "other"}, {"precision": "int8"}):
        (name,) = change
        with refused("table.other-device", InputError) as refusal:
            table.require(space, replace(table.device, **change))
        assert [text.split(":")[0] for text in refusal.error.fields["differences"]] == [name]
    with refused("table.other-space", InputError, differences=["space: tiny of 5 classes, not other of 5 classes"]):
        table.predictor(replace(space, name="other", parts=space.parts[1:]))
    with refused("table.other-space", InputError, differences=["space: tiny of 5 classes of another version"]):
        table.predictor(replace(space, parts=space.parts[1:]))


def test_a_missing_row_is_named(table, space):
    block = space.blocks()[2]
    rows = {key: row for key, row in table.rows.items() if key != block.key}
    with refused("table.missing-row", InputError, block=block.key):
        replace(table, rows=rows).predictor(space)


def test_a_published_table_predicts_but_has_no_reference(published, space):
    cost = published.predictor(space).cost(published.networks.indices)
    assert np.corrcoef(cost, published.networks.ms)[0, 1] > 0.9
    with refused("table.published", InputError, device="phone"):
        _ = published.reference_seconds


def test_another_device_that_is_alike_lends_what_it_knows(table, published, space):
    """Of 4 networks little can be learnt; beside a table of another device that is twice as slow, much more."""
    predictor = table.predictor(space)
    archs = table.networks.indices
    truth, few = 2 * predictor.cost(archs), [1, 6, 12, 17]
    alone = LatencyPredictor(space, archs[few], truth[few])
    networks = Networks(tuple(table.networks.archs[index] for index in few), tuple(truth[few]))
    helped = replace(published, networks=networks, model=alone.model).predictor(space, {"alike": table})
    errors = [np.abs(each.cost(archs) / truth - 1).mean() for each in (helped, alone)]
    assert errors[0] < 0.4 * errors[1]


def test_no_two_tables_have_one_identity(table, published):
    others = (published, replace(table, date="2021"), replace(table, device=replace(table.device, threads=2)))
    assert len({each.identity for each in (table, *others)}) == 4
    assert table.identity == replace(table).identity


def test_architectures_as_text():
    assert read_arch(write_arch((2, 10, 0))) == (2, 10, 0)
    for text in ("", "a-b", "1,2", "1--2"):
        with refused("architecture.text", InputError, text=text):
            read_arch(text)
