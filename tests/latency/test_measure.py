"""Sessions on a device whose truth is known, and one on the real one."""

import json

import numpy as np
import pytest

from hwnas import devices
from hwnas.devices.base import DeviceState
from hwnas.errors import DeviceError, InputError
from hwnas.latency import conditions
from hwnas.latency import session as module
from hwnas.latency.graph import save
from hwnas.latency.measure import measure, measure_nets
from hwnas.latency.samples import Samples
from hwnas.latency.session import REFERENCE
from hwnas.pipeline.measure import measure as measure_target
from hwnas.testing import refused


@pytest.fixture
def models(space, tmp_path):
    return {block.key: save(block, tmp_path / f"{block.key}.onnx") for block in space.blocks()}


def test_finds_the_true_times_under_drift(drifting, models, true_seconds, tmp_path):
    reference_seconds = true_seconds(save(REFERENCE, tmp_path / "reference.onnx"))
    found = measure(drifting(), models, precision=0.02, reference_seconds=reference_seconds)
    assert found.imprecise == ()
    for key, path in models.items():
        assert found.estimates[key].ms == pytest.approx(true_seconds(path) * 1e3, rel=0.02)
        assert found.estimates[key].precision <= 0.02


def test_at_one_reference_time_two_sessions_agree(drifting, models):
    """The second clock is 20 % slower: that session's own figures differ, but not those scaled to the first's."""
    first = measure(drifting(0), models)
    own, same = (
        measure(drifting(1, clock=1.2), models, reference_seconds=reference_seconds)
        for reference_seconds in (None, first.reference_seconds)
    )
    for key, estimate in first.estimates.items():
        assert own.estimates[key].ms == pytest.approx(1.2 * estimate.ms, rel=0.04)
        assert same.estimates[key].ms == pytest.approx(estimate.ms, rel=0.02)
    assert same.reference_seconds == first.reference_seconds
    assert same.own_reference_seconds == pytest.approx(own.reference_seconds, rel=0.02)


def test_stops_at_the_time_limit_and_says_so(drifting, models):
    device = drifting()
    found = measure(device, models, precision=1e-9, time_limit=1e-9)
    assert set(found.imprecise) == set(models)
    assert {estimate.rounds for estimate in found.estimates.values()} == {module.MIN_ROUNDS}
    assert device.models == {}, "what was loaded must be unloaded"


def test_a_model_is_warm_when_its_times_have_settled(drifting, models):
    """One that gets faster for 60 runs is run on until then, and one that never settles for so long only."""
    slow, never = list(models)[:2]

    class Cold(drifting):
        wander = spells = 0.0

        def __init__(self):
            super().__init__()
            self.visits, self.before = dict.fromkeys(models, 0), dict.fromkeys(models, 0)

        def time(self, visits):
            if len(visits) == 1 and visits[0][0] in models:
                ((key, runs),) = visits
                self.visits[key] += 1
                self.before[key] += runs
            return super().time(visits)

        def run(self, key):
            cold = {slow: 1 + max(0, 60 - self.before[slow]) / 30, never: 1 + self.visits[never] % 2 / 2}
            return super().run(key) * cold.get(key, 1)

    device = Cold()
    (flag,) = measure(device, models).flags
    assert flag == f"warm-up: the times of 1, such as {never}, never settled"
    assert device.visits[never] == module.WARM_UP_VISITS + 1
    assert 60 < device.before[slow] < 200
    assert max(runs for key, runs in device.before.items() if key not in (slow, never)) < 60


def test_what_the_device_says_is_asked_between_visits_and_flagged(drifting, models):
    class Hot(drifting):
        def __init__(self):
            super().__init__()
            self.asked = []

        def state(self):
            self.asked.append(self.now)
            return DeviceState(mhz=1000, throttled=self.now > 1)

    device, samples = Hot(), Samples()
    found = measure(device, models, precision=1e-9, time_limit=2, samples=samples)
    assert [flag.split(":")[0] for flag in found.flags] == ["time limit", "throttled"]
    assert len(device.asked) == len(samples.readings) == 2 + 2 / conditions.EVERY
    assert samples.readings[0][0] == 0
    assert samples.readings[-1][0] == len(samples.reference)


class Undisturbed:
    """Without what makes two sessions differ: its long session is the truth."""

    wander = spells = 0.0


class Noisy(Undisturbed):
    jitter, stalls = 0.2, 0.2


class Spells:
    wander, spells = 0.0, 0.6


class Throttling(Undisturbed):
    """Slower by a fifth from the middle on, the reference a little more than the models."""

    def slowness(self, key):
        return super().slowness(key) * (1 + (self.now > 0.6) * (0.25 if key == module.REFERENCE_KEY else 0.2))


@pytest.mark.parametrize("kind", [Undisturbed, Noisy, Spells, Throttling])
@pytest.mark.parametrize("own", [True, False])
def test_the_interval_holds_the_truth_or_the_session_is_flagged(drifting, models, kind, own):
    few = dict(list(models.items())[:3])
    still = type("Still", (Noisy if kind is Noisy else Undisturbed, drifting), {})
    disturbed = type("Disturbed", (kind, drifting), {})
    truth = measure(still(99), few, precision=1e-9, time_limit=8)
    reference_seconds = None if own else truth.reference_seconds
    good = []
    for seed in range(40):
        found = measure(
            disturbed(seed), few, precision=0.01, time_limit=3, seed=seed, reference_seconds=reference_seconds
        )
        for key, estimate in found.estimates.items():
            good.append(estimate.low <= truth.estimates[key].ms <= estimate.high or bool(found.flags))
    assert np.mean(good) >= 0.9


def test_a_noisier_device_gives_a_wider_interval(drifting, models):
    key = next(iter(models))
    widths = []
    for jitter in (0.02, 0.1, 0.5):
        noisy = type("Noisy", (drifting,), {"jitter": jitter, "wander": 0.0, "spells": 0.0})
        found = measure(noisy(), {key: models[key]}, precision=1e-9, time_limit=1)
        widths.append(found.estimates[key].precision)
    assert widths[0] < widths[1] / 2 < widths[2] / 4


def test_what_is_exact_is_left_alone(drifting, models):
    """One model is asked of often, as it alone is noisy."""
    noisy = next(iter(models))

    class Noisy(drifting):
        def time(self, visits):
            times = super().time(visits)
            shaken = 1 + self.rng.random(len(times)) * [key == noisy for key, _ in visits]
            return [seconds * shake for seconds, shake in zip(times, shaken, strict=True)]

    found = measure(Noisy(), models, precision=0.05).estimates
    assert found[noisy].rounds > 3 * max(found[key].rounds for key in models if key != noisy)


def test_goes_on_from_samples(drifting, models):
    samples = Samples()
    kept = []
    measure(drifting(), models, time_limit=1e-9, samples=samples, on_round=lambda now: kept.append(now.elapsed))

    class WarmingUp(drifting):
        def time(self, visits):
            assert len(visits) == 1, "there is nothing to do but the warm-up"
            return super().time(visits)

    again = measure(WarmingUp(), models, time_limit=1e-9, samples=Samples.from_json(samples.to_json()))
    assert len(kept) == module.MIN_ROUNDS
    assert kept == sorted(kept)
    assert {estimate.rounds for estimate in again.estimates.values()} == {module.MIN_ROUNDS}


def test_orders_come_from_the_seed(drifting, models):
    orders = []

    class Listening(drifting):
        def time(self, visits):
            orders[-1].append(visits)
            return super().time(visits)

    for seed in (0, 0, 1):
        orders.append([])
        measure(Listening(), models, time_limit=1e-9, seed=seed)
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("options", [{"precision": 0}, {"time_limit": -1}, {"precision": float("nan")}])
def test_refuses_senseless_limits(drifting, models, options):
    with refused("measure.limits", InputError, **{name: value for name, value in options.items() if value == value}):
        measure(drifting(), models, **options)
    with refused("measure.models", InputError):
        measure(drifting(), {})
    with refused("measure.models", InputError):
        measure(drifting(), {module.REFERENCE_KEY: next(iter(models.values()))})


def test_a_device_that_fails_ends_the_session(drifting, models):
    class Failing(drifting):
        def time(self, visits):
            if self.runs > 100:
                raise DeviceError("unplugged")
            return super().time(visits)

    with refused("device", DeviceError):
        measure(Failing(), models)


@pytest.mark.serial
def test_on_the_real_device(space, tmp_path):
    nets = [space.derive((0, 3, 0)), space.derive((2, 2, 1))]
    with devices.get("cpu") as cpu:
        small, large = measure_nets(cpu, nets, time_limit=0.5)
        path = save(nets[1], tmp_path / "net.onnx")
        alone = measure(cpu, {"net": path}, time_limit=0.5).estimates["net"]
    assert 0 < small.minimum < large.minimum
    assert 0.2 < alone.ms / large.ms < 5
    for found in (small, large, alone):
        assert found.low <= found.ms <= found.high
        assert found.minimum <= found.p50 <= found.p90 <= found.p99


def test_measures_files_and_folders(space, tmp_path):
    net = space.derive((0, 0, 0))
    model = save(net, tmp_path / "model.onnx")
    (tmp_path / "net.json").write_text(json.dumps(net.to_json()))
    for target in (model, tmp_path, tmp_path / "net.json"):
        found = measure_target(target, time_limit=0.2)
        assert found.latency.ms > 0
        assert found.device.device == "cpu"
    for wrong in ("absent.onnx", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with refused("measure.target", InputError, target=str(tmp_path / wrong)):
            measure_target(tmp_path / wrong)


def test_a_finished_session_goes_on_with_nothing(drifting, models):
    samples = Samples()
    first = measure(drifting(), models, precision=0.02, samples=samples)
    again = measure(drifting(), models, precision=0.02, time_limit=1e-9, samples=samples)
    assert again == first
    assert again.imprecise == ()
