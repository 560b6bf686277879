"""Two tables as one: every figure at one reference time, and of two estimates the more precise one."""

import re
from dataclasses import replace

import numpy as np
import pytest

from hwnas.errors import InputError
from hwnas.latency.merge import merge_tables
from hwnas.latency.table import Origin
from hwnas.testing import refused


def narrower(estimate, by):
    return replace(estimate, low=estimate.ms - by * estimate.ms, high=estimate.ms + by * estimate.ms)


def part(table, rows, start, stop, factor=1.0, width=0.01):
    """`table` with the rows of the keys `rows` and a slice of the networks, at `factor` times its reference time, all
    known to ±`width`."""
    column = {
        name: tuple(factor * scale * ms for ms in table.networks.ms[start:stop])
        for name, scale in (("ms", 1), ("low", 1 - width), ("high", 1 + width))
    }
    halves = tuple((factor * one, factor * other) for one, other in table.networks.halves[start:stop])
    scaled = {key: replace(table.rows[key], ms=factor * table.rows[key].ms) for key in rows}
    return replace(
        table,
        rows={key: narrower(row, width) for key, row in scaled.items()},
        reference=replace(table.reference, ms=factor * table.reference.ms),
        overhead=narrower(replace(table.overhead, ms=factor * table.overhead.ms), width),
        networks=replace(table.networks, archs=table.networks.archs[start:stop], **column, halves=halves),
    )


def test_two_parts_make_the_whole(table, space):
    keys = list(table.rows)
    whole = merge_tables(part(table, keys, 0, 14), part(table, keys, 10, 24, factor=1.3), space)
    assert whole.networks.archs == table.networks.archs
    assert whole.reference_seconds == table.reference_seconds
    np.testing.assert_allclose(whole.networks.ms, table.networks.ms)
    np.testing.assert_allclose(whole.networks.halves, table.networks.halves)
    for key, row in table.rows.items():
        assert whole.rows[key].ms == pytest.approx(row.ms)
        assert whole.rows[key].p50 == row.p50  # what the clock said stays
    assert whole.overhead.ms == pytest.approx(table.overhead.ms)
    assert whole.quality.labels == 24
    assert whole.quality.noise == pytest.approx(0.02)
    cost = whole.predictor(space).cost(whole.networks.indices)
    np.testing.assert_allclose(cost, table.predictor(space).cost(table.networks.indices), rtol=0.01)


def test_of_two_estimates_the_one_that_is_known_better_is_kept(table, space):
    keys = list(table.rows)
    exact = part(table, keys, 0, 24, width=0.001)
    vague = part(table, keys, 0, 24, factor=1.5, width=0.1)
    vague = replace(vague, reference=table.reference)  # as if all were half as slow again by mistake
    for first, second in ((exact, vague), (vague, exact)):
        found = merge_tables(first, second, space)
        assert found.rows == exact.rows
        assert found.networks == exact.networks
        assert found.overhead == exact.overhead


def test_time_and_flags_are_of_both(table, space):
    first = replace(table, flags=("clock: a", "pace: b"), date="2020-01-03")
    second = replace(table, flags=("pace: b", "heat: c"), date="2020-01-02", precision=0.02)
    found = merge_tables(first, second, space)
    assert found.flags == ("clock: a", "pace: b", "heat: c")
    assert (found.date, found.seconds, found.precision) == ("2020-01-03", 2.0, 0.02)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda table: replace(table, fingerprint="0"), "table.other-space"),
        (lambda table: replace(table, device=replace(table.device, version="2")), "table.other-device"),
        (lambda table: replace(table, origin=Origin("paper", "MIT"), reference=None), "table.not-measured"),
        (lambda table: replace(table, networks=replace(table.networks, halves=())), "table.not-measured"),
    ],
)
def test_others_are_refused(table, space, change, code):
    for tables in ((table, change(table)), (change(table), table)):
        with refused(code, InputError):
            merge_tables(*tables, space)


def test_the_difference_of_devices_is_named(table, space):
    other = replace(table, device=replace(table.device, version="2"))
    with refused("table.other-device", InputError, differences=["version: 1, not 2"]):
        merge_tables(table, other, space)


def test_predictions_that_are_not_above_0_are_flagged(table, space):
    ms = np.exp(np.random.default_rng(2).normal(0, 3, len(table.networks.ms)))
    bad = replace(table, rows={}, networks=replace(table.networks, ms=tuple(ms.tolist())))
    assert merge_tables(table, table, space).flags == ()
    (flag,) = merge_tables(bad, bad, space).flags
    assert re.match(r"predictions: they begin at -.* ms, not above 0", flag)
