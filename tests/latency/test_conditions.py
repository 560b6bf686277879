"""What is said of a machine that was not as it should be, and that nothing is said of one that was."""

import numpy as np
import pytest

from hwnas.devices.base import DeviceState
from hwnas.latency import conditions
from hwnas.latency.conditions import Conditions, flags
from hwnas.latency.samples import Samples


def session(slowness=(1.0,) * 96, states=(), model=(2.0,)):
    """A minute in which the reference took `slowness`, and a model `model` times as long, spread over the session."""
    model = np.repeat(model, len(slowness) // len(model))
    samples = Samples(reference=list(slowness), elapsed=60.0)
    samples.visits["a"] = [(np.array([times * slow]), slow) for times, slow in zip(model, slowness, strict=True)]
    samples.readings = [(index * len(slowness) // len(states), state) for index, state in enumerate(states)]
    return samples


def kinds(samples, reference_seconds=None):
    return [flag.split(":")[0] for flag in flags(samples, reference_seconds)]


def heat(*celsius):
    return [DeviceState(celsius=one) for one in celsius for _ in range(6)]


def clocks(*mhz):
    return [DeviceState(mhz=one) for one in mhz for _ in range(6)]


FASTER_AND_SLOWER = np.repeat([1.0, 1.04], 48)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (session(), []),
        (session(states=[DeviceState()] * 20), []),
        (session(states=[DeviceState(3000, 50, False)] * 20), []),
        (session(states=clocks(3000, 3100)), []),
        (session(states=clocks(3000, 2000)), ["clock"]),
        (session(states=clocks(2000, 3000, 3000, 2000)), ["clock"]),
        (session(states=[*clocks(3000), DeviceState(mhz=800), *clocks(3000)]), []),
        (session(states=[*clocks(3000), *[DeviceState(throttled=True)]]), ["throttled"]),
        (session(states=heat(50, 70)), []),
        (session(FASTER_AND_SLOWER), []),
        (session(FASTER_AND_SLOWER, heat(50, 70)), ["throttled"]),
        (session(FASTER_AND_SLOWER, heat(70, 50)), []),
        (session(np.repeat([1.0, 1.07], 48)), ["drift"]),
        (session(np.repeat([1.0, 1.3], (57, 39))), ["drift", "disturbed"]),
        (session(np.tile([1.0, 1.0, 1.3], 32)), []),
        (session(np.tile([1.0, 1.3], 48)), ["disturbed"]),
        (session(model=(2.0, 2.05)), []),
        (session(model=(2.0, 2.2)), ["changed"]),
        (session(model=(2.2, 2.0)), ["changed"]),
        (session(model=(2.0, 2.2) * 4), []),
    ],
)
def test_flags(samples, expected):
    assert kinds(samples) == expected


def test_what_the_sentences_say():
    states = [DeviceState(mhz=mhz, throttled=mhz == 2000) for mhz in (3000, 2000) for _ in range(6)]
    assert list(flags(session(states=states), None)) == [
        "clock: it was at 3000 MHz in one part of the session and at 2000 in another",
        "throttled: the device says that it held its clock back, in 6 of 12 readings",
    ]
    (text,) = flags(session(FASTER_AND_SLOWER, heat(50, 70)), None)
    assert text == "throttled: the device got 20 °C hotter and the reference network 4.0% slower"


def test_only_an_earlier_reference_time_tells_of_a_session_that_was_slow_throughout():
    samples = session([1.3] * 96)
    assert kinds(samples) == kinds(samples, 1.25) == []
    (text,) = flags(samples, 1.0)
    assert text.startswith("slower: the reference network took 1.30 times")


def test_a_session_too_short_for_a_reference_time_of_its_own():
    samples = session()
    samples.elapsed = 0.5
    assert kinds(samples) == ["short"]
    assert kinds(samples, 1.0) == []


class Clock:
    """A device whose state takes `cost` seconds to read."""

    def __init__(self, monkeypatch, cost):
        self.now, self.cost, self.reads = 0.0, cost, 0
        monkeypatch.setattr(conditions, "monotonic", lambda: self.now)

    def state(self):
        self.now += self.cost
        self.reads += 1
        return DeviceState(mhz=1000 + self.reads)


@pytest.mark.parametrize(("cost", "at_most"), [(0.0, 60 / conditions.EVERY), (0.1, 7)])
def test_reading_the_state_costs_next_to_nothing(monkeypatch, cost, at_most):
    device, samples = Clock(monkeypatch, cost), Samples()
    watched = Conditions(device, samples)
    watched.read()
    for _ in range(6000):
        samples.elapsed += 0.01
        samples.reference.append(1.0)
        watched.read_if_due()
    assert 0.8 * at_most <= device.reads <= at_most + 1
    assert device.reads * cost <= 0.012 * samples.elapsed
    assert samples.readings[0] == (0, DeviceState(mhz=1001))
    assert [state.mhz for _, state in samples.readings] == [1001 + index for index in range(device.reads)]
    visits = [at for at, _ in samples.readings]
    assert visits == sorted(set(visits))
