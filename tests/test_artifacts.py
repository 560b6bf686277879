"""What is committed beside the code is what the code reads and holds."""

from pathlib import Path

import pytest

import hwnas
from hwnas.latency.predictor import TablePredictor
from hwnas.latency.table import load
from hwnas.space import mobile

ROOT = Path(hwnas.__file__).parent.parent
TABLES = sorted((ROOT / "latency_tables").glob("*.json"))
BUNDLES = sorted(path.parent for path in (ROOT / "export").glob("*/manifest.json"))


def test_there_are_tables_and_a_bundle():
    assert {path.name for path in TABLES} >= {"cpu.proxyless.json", "cpu.proxyless-32.json"}
    assert BUNDLES


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_a_committed_table_is_whole_and_of_its_space(path):
    table = load(path)
    predictor = TablePredictor(mobile.get(table.space, table.classes), table)
    fastest, slowest = predictor.range()
    assert 0 < fastest < slowest
    assert len(table.checks) >= 20
    assert table.fit.within_10 >= 0.95
    for check in table.checks:
        low, high = predictor.interval([check.arch], 0.9999)
        assert low < check.measured.ms < high


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_a_committed_bundle_holds_on_any_machine_but_for_its_speed(path):
    found = hwnas.verify(path, latency=False)
    assert found["max_abs_logit_diff"] <= 1e-4
    assert found["latency_checked"] is False
