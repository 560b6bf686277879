"""The last step of a search: which finalist the device decides for."""

import pytest

from hwnas.latency.stats import Estimate
from hwnas.search import decision, meter
from hwnas.search.record import Finalist
from hwnas.space import registry
from hwnas.testing import refused


def meter_of(device, error=0.2):
    """A meter of networks of proxyless-32 that waits for next to nothing; predictions are off by `error`."""
    return meter.FinalistMeter(device, registry.get("proxyless-32", 3), 1e-4, 2.0 if error == 0.2 else 1e-3, error)


def test_the_most_accurate_that_measures_within_is_chosen(monkeypatch):
    ranked = [Finalist((i,) * 3 + (0,) * 6, 5.0, score=0.9 - i / 10) for i in range(6)]
    real = {0: 5.4, 1: 5.2, 2: 4.0, 3: 5.3, 4: 4.9, 5: 4.8}  # the third is fast, and leaves much unused

    def measured(device, nets, **options):
        assert options.pop("report")
        assert (device, options) == ("npu", {"reference_seconds": 1e-4, "time_limit": 2.0})
        times = [real[int(net.name.split(":")[1][0])] for net in nets]
        return [Estimate(ms, ms, ms, ms, ms, ms, ms, 8) for ms in times]

    monkeypatch.setattr(meter, "measure_nets", measured)
    found = decision.decide_by_device(ranked, meter_of("npu"), 5.0, 4.75, lambda ratio: [])
    assert found.best.arch == ranked[4].arch
    assert [finalist.arch for finalist in found.finalists] == [finalist.arch for finalist in ranked]


class Machine:
    """Measures what a prediction makes of it; `ratios` are those that new finalists were asked for with."""

    def __init__(self, monkeypatch, predicted, factor):
        self.predicted, self.ratios = iter(predicted), []

        def measured(device, nets, **options):
            ms = factor * next(self.predicted)
            return [Estimate(ms, ms, ms, ms, ms, ms, ms, 8) for _ in nets]

        monkeypatch.setattr(meter, "measure_nets", measured)

    def decide(self, *rounds):
        """The decision for a latency of 5 ms, with one new finalist of each of `rounds` after the first."""
        drawn = iter([Finalist((i % 2,) * 9, ms, score=0.5 + ms / 100) for i, ms in enumerate(rounds)])

        def more(ratio):
            self.ratios.append(ratio)
            return [one] if (one := next(drawn, None)) else []

        return decision.decide_by_device([next(drawn)], meter_of(None), 5.0, 4.75, more)


@pytest.mark.parametrize(("factor", "second"), [(1.1, 4.5), (0.9, 5.5)], ids=["flattered", "slandered"])
def test_where_the_table_is_wrong_finalists_that_allow_for_it_are_measured(monkeypatch, factor, second):
    machine = Machine(monkeypatch, (5.0, second), factor)
    found = machine.decide(5.0, second)
    assert machine.ratios == [pytest.approx(factor)]
    assert found.best.measured.ms == pytest.approx(4.95)
    assert len(found.finalists) == 2


def test_where_all_are_fast_and_leave_much_unused_the_best_of_them_is_chosen(monkeypatch):
    machine = Machine(monkeypatch, (4.0, 4.4), 1.0)
    found = machine.decide(4.0, 4.4)
    assert found.best.predicted_ms == 4.4
    assert len(found.finalists) == 2


def test_where_none_is_fast_enough_it_says_how_fast_they_are(monkeypatch):
    machine = Machine(monkeypatch, (6.0, 5.5, 5.2), 1.0)
    with refused("search.none-fits", finalists=2, latency_ms=5.0, fastest_ms=5.5):
        machine.decide(6.0, 5.5)


def test_new_finalists_allow_for_what_three_in_four_of_the_old_were_under(monkeypatch):
    first = [Finalist((i,) * 3 + (0,) * 6, 5.0, score=0.9) for i in range(4)]
    factors, ratios = iter((1.1, 1.2, 1.3, 1.8)), []

    def measured(device, nets, **options):
        return [Estimate(*[5.0 * next(factors)] * 7, 8) for _ in nets]

    monkeypatch.setattr(meter, "measure_nets", measured)
    with refused("search.none-fits", finalists=4):
        decision.decide_by_device(first, meter_of(None), 5.0, 4.75, lambda ratio: ratios.append(ratio) or [])
    assert ratios[0] == pytest.approx(1.425)  # a quarter of the way from 1.3 to 1.8


class Disturbed:
    """A device that measures the `real` ms of the finalist (i, i, i, 0, ...), `slow` times that where its visit number
    of the finalist is in `moments[i]`; `calls` are the finalists of each session."""

    def __init__(self, monkeypatch, real, moments=None, slow=1.15):
        self.real, self.moments, self.slow = real, moments or {}, slow
        self.visits, self.calls, self.asked = [0] * len(real), [], []
        monkeypatch.setattr(meter, "measure_nets", self.measured)

    def measured(self, device, nets, **options):
        which = [int(net.name.split(":")[1][0]) for net in nets]
        self.calls.append(which)
        return [self.estimate(index) for index in which]

    def estimate(self, index):
        self.visits[index] += 1
        ms = self.real[index] * (self.slow if self.visits[index] in self.moments.get(index, ()) else 1)
        return Estimate(ms, ms * 0.995, ms * 1.005, ms, ms, ms, ms, 12)

    def decide(self, error=0.015, latency_ms=5.0):
        """The decision between finalists that are all predicted to take 4.9 ms."""
        ranked = [Finalist((i,) * 3 + (0,) * 6, 4.9, score=0.9 - i / 10) for i in range(len(self.real))]
        return decision.decide_by_device(
            ranked, meter_of(None, error), latency_ms, 4.75, lambda ratio: self.asked.append(ratio) or []
        )


REAL = (5.05, 4.9, 4.93, 4.88, 4.91)
"""The second of five is the best that is within 5 ms, and uses it."""


@pytest.mark.parametrize("slow", [(1, 3), (0, 1), (1, 2), (1, 4), (0, 1, 2, 3)], ids=str)
def test_a_bad_moment_does_not_change_the_choice(monkeypatch, slow):
    undisturbed = Disturbed(monkeypatch, REAL).decide()
    assert (undisturbed.best.arch[0], undisturbed.repeats, undisturbed.flags) == (1, 0, ())
    device = Disturbed(monkeypatch, REAL, dict.fromkeys(slow, (1,)))
    found = device.decide()
    assert found.best == undisturbed.best
    assert device.asked == []  # no others were drawn
    assert found.repeats == 2  # all four once more, and those that disagree a third time
    assert device.calls == [[0, 1, 2, 3], [0, 1, 2, 3], [index for index in slow if index < 4]]
    disturbed = sum(index < 4 for index in slow)
    assert [flag.split()[1] for flag in found.flags] == [str(disturbed)]


def test_a_bad_moment_of_the_second_measurement_does_not_either(monkeypatch):
    found = Disturbed(monkeypatch, REAL, {0: (1,), 1: (1, 3), 2: (2,)}).decide()
    assert found.best.measured.ms == 4.93  # of the second finalist two of three measurements are slow: never more
    assert found.best.arch[0] == 2
    assert found.repeats == 2


def test_a_scatter_that_is_confirmed_is_the_predictors_own_and_costs_one_repeat(monkeypatch):
    device = Disturbed(monkeypatch, (5.6, 5.2, 5.5, 5.3, 4.9))
    found = device.decide()
    assert device.calls == [[0, 1, 2, 3], [0, 1, 2, 3], [4]]
    assert (found.best.arch[0], found.repeats, found.flags) == (4, 1, ())


@pytest.mark.parametrize(("error", "repeats"), [(0.015, 1), (0.06, 0)])
def test_what_the_predictors_error_explains_is_not_measured_again(monkeypatch, error, repeats):
    assert Disturbed(monkeypatch, (5.5, 5.2, 4.95, 5.4)).decide(error).repeats == repeats
