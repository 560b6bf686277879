"""What is committed beside the code is what the code reads and holds."""

from pathlib import Path

import numpy as np
import pytest

import hwnas
from hwnas.latency.table import load
from hwnas.space import registry

ROOT = Path(hwnas.__file__).parent.parent
TABLES = sorted((ROOT / "latency_tables").glob("*.json"))
BUNDLES = sorted(path.parent for path in (ROOT / "export").glob("*/manifest.json"))


def test_there_are_tables_and_a_bundle():
    assert {path.name for path in TABLES} >= {"cpu.proxyless.json", "cpu.proxyless-32.json"}
    assert BUNDLES


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_a_committed_table_is_whole_and_of_its_space(path):
    table = load(path)
    predictor, measured = table.predictor(registry.get(table.space, table.classes)), np.array(table.networks.ms)
    fastest, slowest = predictor.range()
    assert 0 < fastest < slowest
    assert len(measured) >= 20
    assert table.quality.within_10 >= 0.9
    cost = predictor.cost(table.networks.indices)
    assert np.corrcoef(cost, measured)[0, 1] > 0.9
    low, high = predictor.interval(table.networks.indices)
    assert ((low < measured) & (measured < high)).mean() > 0.85
    assert np.sqrt(np.mean((cost / measured - 1) ** 2)) < 1.5 * table.quality.rmspe
    assert path.name == f"{table.device.device}.{table.space}.json"


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_a_committed_table_is_measured_or_says_whose_it_is(path):
    table = load(path)
    if table.origin is None:
        assert {block.key for block in registry.get(table.space, table.classes).blocks()} == set(table.rows)
        assert table.reference_seconds > 0
        assert len(table.networks.halves) == len(table.networks.archs)
        assert table.quality.noise is not None
    else:
        assert table.origin.source
        assert table.origin.licence
        assert table.reference is None


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_a_committed_bundle_holds_on_any_machine_but_for_its_speed(path):
    found = hwnas.verify(path, latency=False)
    assert found.max_abs_logit_diff <= 1e-4
    assert found.latency_checked is False
