"""The last step of a search: which finalist the device decides for."""

import pytest

from hwnas.latency.stats import Estimate
from hwnas.search import decision
from hwnas.search.record import Finalist
from hwnas.space import registry
from hwnas.testing import refused


def test_the_most_accurate_that_measures_within_is_chosen(monkeypatch):
    ranked = [Finalist((i,) * 3 + (0,) * 6, 5.0, score=0.9 - i / 10) for i in range(6)]
    real = {0: 5.4, 1: 5.2, 2: 4.0, 3: 5.3, 4: 4.9, 5: 4.8}  # the third is fast, and leaves much unused

    def measured(device, nets, **options):
        assert (device, options) == ("npu", {"reference_seconds": 1e-4, "time_limit": 2.0})
        times = [real[int(net.name.split(":")[1][0])] for net in nets]
        return [Estimate(ms, ms, ms, ms, ms, ms, ms, 8) for ms in times]

    monkeypatch.setattr(decision, "measure_nets", measured)
    meter = decision.FinalistMeter("npu", registry.get("proxyless-32", 3), 1e-4, 2.0)
    found = decision.decide_by_device(ranked, meter, 5.0, 4.75, lambda ratio: [])
    assert found.best.arch == ranked[4].arch
    assert [finalist.arch for finalist in found.finalists] == [finalist.arch for finalist in ranked]


class Machine:
    """Measures what a prediction makes of it; `ratios` are those that new finalists were asked for with."""

    def __init__(self, monkeypatch, predicted, factor):
        self.predicted, self.ratios = iter(predicted), []

        def measured(device, nets, **options):
            ms = factor * next(self.predicted)
            return [Estimate(ms, ms, ms, ms, ms, ms, ms, 8) for _ in nets]

        monkeypatch.setattr(decision, "measure_nets", measured)

    def decide(self, *rounds):
        """The decision for a latency of 5 ms, with one new finalist of each of `rounds` after the first."""
        drawn = iter([Finalist((i % 2,) * 9, ms, score=0.5 + ms / 100) for i, ms in enumerate(rounds)])
        meter = decision.FinalistMeter(None, registry.get("proxyless-32", 3), 1e-4, 2.0)

        def more(ratio):
            self.ratios.append(ratio)
            return [one] if (one := next(drawn, None)) else []

        return decision.decide_by_device([next(drawn)], meter, 5.0, 4.75, more)


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

    monkeypatch.setattr(decision, "measure_nets", measured)
    meter = decision.FinalistMeter(None, registry.get("proxyless-32", 3), 1e-4, 2.0)
    with refused("search.none-fits", finalists=4):
        decision.decide_by_device(first, meter, 5.0, 4.75, lambda ratio: ratios.append(ratio) or [])
    assert ratios[0] == pytest.approx(1.425)  # a quarter of the way from 1.3 to 1.8
