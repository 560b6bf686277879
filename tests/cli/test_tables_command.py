"""`hwnas tables`: listed from here and from the package, shown, compared and merged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hwnas.latency.table import Origin, load
from hwnas.latency.tables import PACKAGED, find_table

PUBLISHED = ["gold_6226.fbnet", "pixel3.fbnet", "raspi4.fbnet", "samsung_a50.fbnet", "titan_rtx.fbnet"]


def at_pace(table, factor, **changes):
    """`table` as a session would tell it in which the clock made everything `factor` times as slow."""

    def slower(estimate):
        return replace(estimate, ms=factor * estimate.ms, low=factor * estimate.low, high=factor * estimate.high)

    networks = table.networks
    return replace(
        table,
        rows={key: slower(row) for key, row in table.rows.items()},
        reference=slower(table.reference),
        overhead=slower(table.overhead),
        networks=replace(
            networks,
            **{name: tuple(factor * ms for ms in getattr(networks, name)) for name in ("ms", "low", "high")},
            halves=tuple((factor * one, factor * other) for one, other in networks.halves),
        ),
        **changes,
    )


@pytest.fixture
def two(measured, tmp_path):
    """The paths of two tables that differ in pace alone."""
    measured.save(tmp_path / "a.json")
    at_pace(measured, 1.1, date="2026-01-02T00:00:00+00:00").save(tmp_path / "b.json")
    return "a.json", "b.json"


def test_the_list_has_those_here_and_those_packaged(hwnas, measured, tmp_path):
    measured.save(tmp_path / "latency_tables" / "mine.json")
    measured.save(tmp_path / "latency_tables" / "pixel3.fbnet.json")
    (tmp_path / "latency_tables" / "cut.json").write_text('{"schema": 2')
    code, out, _ = hwnas("tables", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert set(PUBLISHED) <= set(rows)
    assert (rows["mine"]["space"], rows["mine"]["networks"], rows["mine"]["origin"]) == ("proxyless-32", 12, "measured")
    assert rows["pixel3.fbnet"]["space"] == "proxyless-32"  # the one here goes before the packaged one
    assert rows["raspi4.fbnet"]["origin"] == "published"
    assert "not a whole latency table" in rows["cut"]["error"]
    code, out, _ = hwnas("tables")
    assert code == 0
    assert f"cut: {rows['cut']['error']}" in out.splitlines()
    assert "Raspberry Pi 4" in out


def test_another_folder_is_listed(hwnas, no_packaged, measured, tmp_path):
    measured.save(tmp_path / "mine" / "one.json")
    _, out, _ = hwnas("tables", "--folder", "mine", "--json")
    assert [row["name"] for row in json.loads(out)] == ["one"]
    _, out, _ = hwnas("tables", "--json")
    assert json.loads(out) == []


def test_a_table_is_found_by_name_or_path(monkeypatch, tmp_path, measured):
    monkeypatch.chdir(tmp_path)
    assert find_table("pixel3.fbnet") == PACKAGED / "pixel3.fbnet.json"
    measured.save(tmp_path / "latency_tables" / "pixel3.fbnet.json")
    assert find_table("pixel3.fbnet") == Path("latency_tables/pixel3.fbnet.json")
    assert find_table("other/table.json") == Path("other/table.json")


def test_show_tells_everything(hwnas, measured, tmp_path):
    table = replace(measured, flags=("clock: it changed",))
    table.save(tmp_path / "a.json")
    code, out, _ = hwnas("tables", "show", "a.json")
    assert code == 0
    for words in (
        table.device.model,
        "reference_ms 0.15",
        "12 networks",
        "note: clock: it changed",
        str(table.quality),
    ):
        assert words in out
    _, out, _ = hwnas("tables", "show", "a.json", "--json")
    found = json.loads(out)
    assert found["identity"] == table.identity
    slowest = max(table.rows, key=lambda key: table.rows[key].ms)
    assert found["slowest_blocks"][0] == {"block": slowest, "ms": table.rows[slowest].ms}
    assert found["fastest_blocks"][0]["ms"] == min(row.ms for row in table.rows.values())
    assert found["predicted_ms"][0] < found["measured_ms"][0] < found["measured_ms"][1] < found["predicted_ms"][1]


def test_show_tells_the_origin(hwnas):
    code, out, _ = hwnas("tables", "show", "pixel3.fbnet")
    assert code == 0
    assert "licence MIT" in out
    assert "note: the latencies are exact sums of a table of blocks" in out


def test_diff_tells_pace_from_the_rest(hwnas, two):
    code, out, _ = hwnas("tables", "diff", *two, "--json")
    found = json.loads(out)
    assert code == 0
    assert [line.split(":")[0] for line in found["identity"]] == ["date", "reference"]
    for kind in ("blocks", "networks", "predictions"):
        assert found["at_own_reference"][kind]["median"] == pytest.approx(0.1)
        assert found["at_same_reference"][kind]["largest"] == pytest.approx(0, abs=1e-6)
    assert found["spearman"] == pytest.approx(1)
    _, out, _ = hwnas("tables", "diff", *two)
    assert "12 networks, both at one reference time: they differ by 0.00% (median), 0.00% at most" in out
    assert "12 networks, each at its own reference time: they differ by 10.00% (median)" in out


def test_diff_names_what_is_furthest_apart(hwnas, two, tmp_path):
    table = load(tmp_path / "a.json")
    key = list(table.rows)[3]
    changed = replace(table.rows[key], ms=2 * table.rows[key].ms)
    replace(table, rows={**table.rows, key: changed}).save(tmp_path / "c.json")
    _, out, _ = hwnas("tables", "diff", "a.json", "c.json", "--json")
    blocks = json.loads(out)["at_same_reference"]["blocks"]
    assert blocks["worst"][0] == [key, table.rows[key].ms, changed.ms]
    assert (blocks["median"], blocks["largest"]) == (0, pytest.approx(1))


def test_published_tables_have_no_pace_to_compare_at(hwnas):
    _, out, _ = hwnas("tables", "diff", "pixel3.fbnet", "raspi4.fbnet", "--json")
    found = json.loads(out)
    assert found["at_same_reference"] == {}
    assert found["at_own_reference"].keys() == {"networks", "predictions"}
    assert found["at_own_reference"]["networks"]["count"] == 5000


def test_merge_writes_a_table(hwnas, two, tmp_path):
    code, out, _ = hwnas("tables", "merge", *two, "--out", "c.json", "--json")
    assert code == 0
    assert json.loads(out)["networks"] == 12
    a, c = (load(tmp_path / name) for name in ("a.json", "c.json"))
    assert c.reference_seconds == a.reference_seconds
    assert c.seconds == 2 * a.seconds
    for key, row in a.rows.items():
        assert c.rows[key].ms == pytest.approx(row.ms)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "imagenet"}, "imagenet"),
        ({"fingerprint": "0"}, "of another version"),
        ({"origin": Origin("A Benchmark", "MIT"), "reference": None}, "does not hold how it was measured"),
    ],
    ids=str,
)
def test_tables_that_cannot_be_merged_are_one_line(refused, two, measured, tmp_path, change, message):
    replace(measured, **change).save(tmp_path / "a.json")
    assert message in refused("tables", "merge", "a.json", "a.json", "--out", "c.json")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("show none", "no latency table 'none': there are "),
        ("show none.json", "cannot read latency table none.json"),
        ("show cut.json", "cut.json is not a whole latency table"),
        ("diff a.json pixel3.fbnet", "different spaces: proxyless-32 of 3 classes and fbnet of 100 classes"),
        ("diff a.json none", "no latency table 'none'"),
        ("diff a.json", "Missing argument"),
        ("merge a.json b.json", "--out"),
        ("merge a.json b.json --out b.json", "b.json exists: name another file"),
        ("merge a.json other.json --out c.json", "different devices cannot be merged: threads: 1, not 4"),
        ("merge a.json pixel3.fbnet --out c.json", "different spaces"),
        ("merge pixel3.fbnet raspi4.fbnet --out c.json", "a table of pixel3 does not hold how it was measured"),
        ("--json show a.json", "--json goes after show"),
        ("--folder mine diff a.json b.json", "--folder goes after diff"),
        ("burn", "No such command 'burn'"),
    ],
)
def test_a_mistake_is_one_line(refused, two, measured, tmp_path, words, message):
    (tmp_path / "cut.json").write_text('{"schema": 2, ')
    replace(measured, device=replace(measured.device, threads=4)).save(tmp_path / "other.json")
    assert message in refused("tables", *words.split())
