"""The differences of two tables: of the reference time, of blocks, networks and predictions."""

from dataclasses import replace

import pytest

from hwnas.errors import InputError
from hwnas.latency.compare import WORST, compare
from hwnas.latency.table import Origin
from hwnas.testing import refused


def test_a_table_does_not_differ_from_itself(table, space):
    found = compare(table, table, space)
    assert found.identity == ()
    assert found.spearman == pytest.approx(1)
    for kinds in (found.at_own_reference, found.at_same_reference):
        assert {kind: by.count for kind, by in kinds.items()}["networks"] == 24
        assert all(by.largest == 0 for by in kinds.values())


def test_what_only_one_has_is_left_out(table, space):
    columns = ("archs", "ms", "low", "high", "halves")
    networks = table.networks
    few = replace(networks, **{name: getattr(networks, name)[:10] for name in columns})
    assert compare(table, replace(table, networks=few), space).at_same_reference["networks"].count == 10
    rest = replace(networks, **{name: getattr(networks, name)[10:] for name in columns})
    found = compare(replace(table, networks=few), replace(table, networks=rest), space)
    assert found.at_same_reference.keys() == {"blocks", "predictions"}


def test_the_worst_come_first_and_have_a_sign(table, space):
    factors = {key: 1 + 0.01 * index for index, key in enumerate(table.rows)}
    rows = {key: replace(row, ms=row.ms * factors[key]) for key, row in table.rows.items()}
    blocks = compare(table, replace(table, rows=rows), space).at_same_reference["blocks"]
    assert [name for name, _, _ in blocks.worst] == list(reversed(table.rows))[:WORST]
    for name, ours, theirs in blocks.worst:
        assert theirs / ours == pytest.approx(factors[name])


def test_the_reference_time_is_taken_out(table, space):
    faster = replace(table, reference=replace(table.reference, ms=table.reference.ms / 2))
    found = compare(table, faster, space)
    assert found.at_own_reference["blocks"].largest == 0
    assert found.at_same_reference["blocks"].median == pytest.approx(1)
    assert found.identity == ("reference: 0.1 ms, not 0.05 ms",)


def test_published_figures_have_no_reference(table, space):
    published = replace(table, reference=None, rows={}, overhead=None, origin=Origin("paper", "MIT"))
    found = compare(table, published, space)
    assert found.at_same_reference == {}
    assert found.at_own_reference.keys() == {"networks", "predictions"}
    assert "origin: measured, not paper" in found.identity


def test_tables_of_different_spaces_are_not_compared(table, space):
    with refused("table.other-space", InputError, first="tiny", second="other"):
        compare(table, replace(table, space="other", fingerprint="0"), space)
