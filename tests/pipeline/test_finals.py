"""The last step of a search: which finalist the device decides for."""

import pytest

from hwnas.latency.stats import Estimate
from hwnas.pipeline import finals
from hwnas.space import mobile


def test_the_most_accurate_that_measures_within_is_chosen(monkeypatch):
    ranked = [finals.Finalist((i,) * 3 + (0,) * 6, 0.1, 5.0, accuracy=0.9 - i / 10) for i in range(6)]
    real = {0: 5.4, 1: 5.2, 2: 5.1, 3: 5.3, 4: 4.9, 5: 4.0}

    def measured(device, nets, **options):
        assert (device, options) == ("npu", {"pace": 1e-4, "time_limit": 2.0})
        times = [real[int(net.name.split(":")[1][0])] for net in nets]
        return [Estimate(ms, ms, ms, ms, ms, ms, ms, 8) for ms in times]

    monkeypatch.setattr(finals, "measure_nets", measured)
    judge = finals.Judge("npu", mobile.get("proxyless-32", 3), 1e-4, 2.0)
    best, known = finals.decide(ranked, judge, 5.0, lambda ratio: [])
    assert best.arch == ranked[4].arch
    assert [finalist.arch for finalist in known] == [finalist.arch for finalist in ranked]


def test_where_no_finalist_fits_those_that_leave_room_for_the_error_are_measured(monkeypatch):
    """Everything takes a tenth longer than predicted."""

    def finalist(ms):
        return finals.Finalist((0,) * 9, 0.1, ms, accuracy=0.5)

    predicted, ratios = iter((5.0, 4.0)), []

    def measured(device, nets, **options):
        ms = 1.1 * next(predicted)
        return [Estimate(ms, ms, ms, ms, ms, ms, ms, 8) for _ in nets]

    monkeypatch.setattr(finals, "measure_nets", measured)
    judge = finals.Judge(None, mobile.get("proxyless-32", 3), 1e-4, 2.0)
    best, known = finals.decide([finalist(5.0)], judge, 5.0, lambda ratio: ratios.append(ratio) or [finalist(4.0)])
    assert ratios == [pytest.approx(1.1)]
    assert best.measured.ms == pytest.approx(4.4)
    assert len(known) == 2
