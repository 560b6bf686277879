"""Requests and records of earlier versions: read, compared, resumed and returned as finished."""

import json
import shutil
from pathlib import Path

import pytest

import hwnas
from hwnas.search.config import SearchConfig
from hwnas.search.folder import begun_length
from hwnas.search.legacy import request_without_schema
from hwnas.search.plan import Plan
from hwnas.search.record import read_record
from hwnas.search.request import Length, Request, _digest
from hwnas.space.net import Net
from hwnas.testing import refused

OLD = Path(__file__).parent / "run_of_schema_3"
"""The folder of `hwnas search --table latency_tables/cpu.nas-bench-macro-16.json --latency 0.03 --strategy random
--evaluator macs --evaluations 40 --no-measure --seed 3`, as version 0.1.0 left it before it had configurations."""

SAID = {"table": "cpu.nas-bench-macro-16", "latency_ms": 0.03, "strategy": "random", "evaluator": "macs",
        "evaluations": 40, "measure": False, "seed": 3, "threads": 1}  # fmt: skip


def request(**settings):
    config = SearchConfig.parse({**SAID, **settings})
    return Request(Plan.of(config).config, {"table": "cc3e9d57d50678b3", "data": "df3381f7eb4b0ba5"})


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def test_an_old_record_has_the_present_names():
    record, raw = read_record(OLD), json.loads((OLD / "search.json").read_text())
    assert (record.latency_ms, record.target_ms) == (raw["budget_ms"], raw["aim_ms"])
    assert (record.reference_seconds, record.scored_by) == (raw["pace"], raw["judged_by"])
    assert record.net() == Net.from_json(json.loads((OLD / "net.json").read_text()))


def test_an_old_request_is_the_same_search():
    found, begun = request_without_schema(json.loads((OLD / "request.json").read_text()), request())
    assert found.differences(request()) == []
    assert (found.length.evaluations, begun.evaluations) == (40, 40)
    assert begun_length(OLD, request(evaluations=90)) == Length(3000, 40)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"seed": 4}, ["seed"]),
        ({"latency_ms": 0.04}, ["limits.latency_ms"]),
        ({"measure": True}, ["limits.measure"]),
        ({"finalists": {"use": 0.5}}, ["finalists.use"]),
        ({"strategy": "local-search"}, ["strategy.name"]),
        ({"evaluator": {"batch": 64, "name": "macs"}}, ["evaluator.constants.batch"]),
    ],
    ids=str,
)
def test_another_search_is_refused_by_what_differs(settings, names):
    with refused("search.other", names=names):
        begun_length(OLD, request(**settings))


def test_where_things_are_and_how_long_it_takes_makes_no_other_search():
    asked = request(evaluations=41, data="elsewhere", threads=2, finalists={"measuring_seconds": 3})
    assert asked.differences(request()) == []


def test_a_finished_search_is_returned_and_a_longer_one_goes_on(old):
    before = (old / "search.json").read_bytes()
    config = SearchConfig.parse(SAID)
    assert hwnas.search(config, out=old, progress=None).record == read_record(OLD)
    assert (old / "search.json").read_bytes() == before
    more = hwnas.search(config.with_settings(["evaluations=44"]), out=old, progress=None).record
    assert more.request["length"] == {"steps": 3000, "evaluations": 44}
    lines = (old / "history.jsonl").read_text().splitlines()
    assert len(lines) == 44
    assert lines[:40] == (OLD / "history.jsonl").read_text().splitlines()
    assert json.loads((old / "request.json").read_text())["begun"] == {"steps": 3000, "evaluations": 40}
    with refused("search.shorter", evaluations=44):
        hwnas.search(config, out=old, progress=None)


@pytest.mark.parametrize("text", ["{}", '{"schema": 99}', '{"search": {}, "length": {}, "begun": {}}', "[]"])
def test_a_request_that_is_none_is_refused(old, text):
    (old / "request.json").write_text(text)
    with refused("search.other", names=["schema"]):
        begun_length(old, request())


def test_a_table_of_accuracies_is_known_by_the_start_of_its_hash(tmp_path):
    """Requests of earlier versions hold as many digits."""
    (tmp_path / "a.json").write_text("{}")
    assert _digest(tmp_path / "a.json") == "44136fa355b3678a"
