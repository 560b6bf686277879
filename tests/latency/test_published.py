"""Which labels of a session are believed."""

import numpy as np

from hwnas.latency.published import steady_mask


def test_slow_stretches_are_left_out_and_slow_networks_are_not():
    rng = np.random.default_rng(0)
    ms = 30 * rng.uniform(0.9, 1.1, 400)
    ms[[100, 250]] *= 3
    ms[:40] *= 1.5
    ms[200:240] *= 1.3
    found = steady_mask(ms)
    assert not found[:35].any()
    assert not found[205:235].any()
    assert found[50:190].all()
    assert found[251:].all()


def test_shorter_than_a_window():
    np.testing.assert_array_equal(steady_mask(np.array([1.0, 1.0, 5.0])), [True] * 3)
