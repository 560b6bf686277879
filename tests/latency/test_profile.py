"""The profiling stage: on a device whose truth is known, and killed in the middle on the real one."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from hwnas import devices
from hwnas.errors import DeviceError, InputError
from hwnas.latency import checkpoint
from hwnas.latency.graph import save
from hwnas.latency.profile import NET
from hwnas.latency.seconds import ProfileSeconds
from hwnas.latency.session import MIN_ROUNDS
from hwnas.latency.table import load
from hwnas.latency.tables import load_table
from hwnas.pipeline.profile import profile
from hwnas.testing import refused

SPACE = "proxyless-32"


@pytest.fixture
def on(monkeypatch):
    """Makes `profile` run on this device object, by whatever name that is there."""
    describe = devices.describe

    def run_on(device):
        monkeypatch.setattr(devices, "get", lambda name, threads: device)
        monkeypatch.setattr(
            devices, "describe", lambda name: describe(name).model_copy(update={"name": device.info.device})
        )

    return run_on


def test_networks_are_predicted_where_blocks_add_up(on, drifting, space, tmp_path):
    on(drifting())
    table = load(profile(space, out=tmp_path / "table.json", precision=0.01, networks=20))
    assert set(table.rows) == {block.key for block in space.blocks()}
    assert table.flags == ()
    assert table.quality.labels == len(table.networks.archs) > 10
    assert table.quality.within_10 == 1
    assert table.quality.rmspe < 0.02
    assert table.quality.spearman > 0.9
    assert 0 < table.quality.noise < 0.02
    assert 0.9 < table.quality.ceiling <= 1
    measured = np.array(table.networks.ms)
    np.testing.assert_allclose(table.predictor(space).cost(table.networks.indices), measured, rtol=0.05)
    np.testing.assert_allclose(np.mean(table.networks.halves, axis=1), measured, rtol=0.02)
    assert (np.array(table.networks.low) <= measured).all()
    assert (measured <= np.array(table.networks.high)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]


def test_the_predictions_are_of_networks_that_were_not_measured(on, drifting, space, true_seconds, tmp_path):
    """All 24 networks of the space, by their true times, from measuring 8 of them."""
    on(drifting())
    predictor = load(profile(space, out=tmp_path / "table.json", networks=8)).predictor(space)
    archs = list(np.ndindex(*space.choices))
    truth = [1e3 * true_seconds(save(space.derive(arch), tmp_path / "net.onnx")) for arch in archs]
    cost = predictor.cost(archs)
    np.testing.assert_allclose(cost / cost.mean(), np.array(truth) / np.mean(truth), rtol=0.03)


class Uneven:
    """Networks take what they take, and something of their own that no sum of blocks has."""

    def load(self, key, path):
        super().load(key, path)
        self.models[key] *= 1 + 0.2 * key.startswith(NET) * np.random.default_rng(list(key.encode())).random()


def test_networks_are_added_until_the_error_is_as_asked(on, drifting, tmp_path):
    class Device(Uneven, drifting):
        pass

    def found(**asked):
        on(Device())
        return load(profile(SPACE, out=tmp_path / "table.json", precision=0.5, networks=3, **asked))

    reached = found(within=3.0, time_limit=10)
    assert len(reached.networks.archs) == 3
    assert not any(flag.startswith("within") for flag in reached.flags)
    late = found(within=1e-6, time_limit=6)
    count = len(late.networks.archs)
    assert count > 3
    assert late.flags[-1].startswith("within: the error is ")
    assert late.flags[-1].endswith(f"after {count} networks, not 0.0%")


def test_ends_where_all_networks_of_the_space_are_measured(on, drifting, space, tmp_path):
    on(drifting())
    table = load(profile(space, out=tmp_path / "table.json", precision=0.5, within=1e-6, time_limit=1e6))
    assert len(table.networks.archs) == space.size
    assert table.flags[-1].startswith("within: the error is ")


def test_ends_where_more_networks_do_not_help(on, drifting, monkeypatch, tmp_path):
    class Device(Uneven, drifting):
        pass

    on(Device())
    monkeypatch.setattr("hwnas.latency.profile.LOWER", 0.0)  # no error is that low, so every addition is in vain
    table = load(profile(SPACE, out=tmp_path / "table.json", precision=0.5, networks=3, within=1e-6, time_limit=1e6))
    assert len(table.networks.archs) == 3 + 1 + 2
    assert table.flags[-1].startswith("within: the error is ")


def test_an_interrupted_profile_goes_on_with_the_networks_that_it_had_added(on, drifting, tmp_path):
    path, partial = tmp_path / "table.json", tmp_path / "table.json.partial"

    class Failing(Uneven, drifting):
        def run(self, key):
            if len(self.models) > 50 and self.runs > 20000:
                raise DeviceError("unplugged")
            return super().run(key)

    on(Failing())
    with refused("device", DeviceError):
        profile(SPACE, out=path, precision=0.5, networks=3, within=1e-6, time_limit=100)
    left = {key for key in json.loads(partial.read_text())["samples"]["visits"] if key.startswith(NET)}
    assert len(left) > 3
    on(drifting())
    table = load(profile(SPACE, out=path, precision=0.5, networks=3, time_limit=1e-9))
    assert {NET + arch for arch in table.networks.archs} == left


def test_flags_what_did_not_go_as_asked(on, drifting, space, tmp_path):
    class Slowing(drifting):
        def run(self, key):
            return super().run(key) * (1 + self.runs / 5000)

    on(Slowing())
    table = load(profile(space, out=tmp_path / "table.json", precision=1e-6, time_limit=0.3, networks=3))
    assert [flag.split(":")[0] for flag in table.flags] == ["time limit", "drift", "disturbed"]


def test_flags_networks_that_are_not_predicted(on, drifting, space, tmp_path):
    """Whole networks are slowed at random, as where something else uses the memory."""

    class Crowded(drifting):
        def load(self, key, path):
            super().load(key, path)
            self.models[key] *= 1 + key.startswith("net:") * self.rng.random()

    on(Crowded())
    (flag,) = load(profile(space, out=tmp_path / "table.json", networks=20)).flags
    assert flag.startswith("networks: only ")


def test_a_failure_keeps_the_old_table_and_the_times(on, drifting, space, tmp_path):
    path = tmp_path / "table.json"
    on(drifting())
    before = profile(space, out=path, time_limit=1e-9, networks=3).path.read_bytes()

    class Failing(drifting):
        def run(self, key):
            if self.runs > 2000:
                raise DeviceError("unplugged")
            return super().run(key)

    on(Failing())
    with refused("device", DeviceError):
        profile(space, out=path, precision=1e-9, networks=3)
    assert path.read_bytes() == before
    left = json.loads((tmp_path / "table.json.partial").read_text())["samples"]["visits"]
    on(drifting())
    table = load(profile(space, out=path, time_limit=1e-9, networks=3))
    for key, row in table.rows.items():
        assert row.rounds >= max(MIN_ROUNDS, len(left[key]))
        assert row.minimum <= 1e3 * min(min(seconds) for seconds, _ in left[key])


def test_times_of_another_device_are_refused_unless_it_starts_again(on, drifting, space, tmp_path):
    path, partial = tmp_path / "table.json", tmp_path / "table.json.partial"

    class Other(drifting):
        info = drifting.info.__class__(**{**drifting.info.__dict__, "threads": 3})

        def run(self, key):
            if self.runs > 2000:
                raise DeviceError("unplugged")
            return super().run(key)

    on(Other())
    with refused("device", DeviceError):
        profile(space, out=path, precision=1e-9, networks=3)
    left = partial.read_bytes()
    on(drifting())
    with refused("checkpoint.other", InputError, differences=["threads: 3, not 1"]):
        profile(space, out=path, networks=3)
    assert partial.read_bytes() == left
    assert load(profile(space, out=path, time_limit=1e-9, networks=3, resume=False)).device.threads == 1
    assert not partial.exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "file.not-whole"),
        ("[]", "file.other-schema"),
        ("{}", "file.other-schema"),
        ('{"schema": 1, "identity": {}, "samples": {}}', "file.other-schema"),
        ('{"schema": 2, "identity": {}, "samples": {}}', "checkpoint.damaged"),
    ],
)
def test_a_damaged_checkpoint_is_refused(on, drifting, space, tmp_path, text, code):
    on(drifting())
    (tmp_path / "table.json.partial").write_text(text)
    with refused(code, InputError):
        profile(space, out=tmp_path / "table.json", networks=3)


@pytest.mark.parametrize(
    "wrong",
    [{"networks": 2}, {"within": 0.0}, {"precision": 0.0}, {"time_limit": -1.0}, {"seed": -1}],
    ids=str,
)
def test_a_setting_out_of_its_range_is_named(tmp_path, wrong):
    ((key, value),) = wrong.items()
    with refused("config.value", InputError, key=key, value=value):
        profile(SPACE, out=tmp_path / "table.json", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_senseless_requests(on, drifting, space, tmp_path):
    for request in ({"space": "none"}, {"device": "none"}, {"threads": 0}, {"classes": 1}):
        with pytest.raises(InputError):
            profile(**{"space": SPACE, "out": tmp_path / "table.json", **request})
    with refused("profile.folder", InputError, path=str(tmp_path)):
        profile(SPACE, out=tmp_path)
    with refused("space.classes", InputError, classes=7):
        profile(space, classes=7, out=tmp_path / "table.json")
    assert list(tmp_path.iterdir()) == []


def test_the_result_is_the_path_of_what_it_holds(on, drifting, space, tmp_path):
    events = []
    on(drifting())
    found = profile(space, out=tmp_path / "table.json", precision=0.5, networks=3, progress=events.append)
    assert found.path == tmp_path / "table.json"
    assert load(found) == load_table(found) == found.table
    assert found.predicted_ms == found.table.predictor(space).range()
    assert {event.stage for event in events} == {"profile"}
    assert events[-1].done == events[-1].total


def test_every_second_is_told_of_and_no_file_stays(on, drifting, space, tmp_path):
    """The file of a model is gone once it is loaded: none is there while a model runs."""
    folders = []

    class Watching(drifting):
        def load(self, key, path):
            super().load(key, path)
            folders.append(path.parent)

        def time(self, visits):
            assert [path.name for path in folders[0].iterdir()] == []
            return super().time(visits)

    on(Watching())
    started = perf_counter()
    seconds = profile(space, out=tmp_path / "table.json", precision=0.5, networks=3).seconds
    wall = perf_counter() - started
    assert seconds.wall == pytest.approx(wall, abs=0.1)
    assert min(seconds.measuring, seconds.building, seconds.loading, seconds.warming_up, seconds.fitting) > 0
    assert min(seconds.estimating, seconds.writing, seconds.choosing) > 0
    assert seconds.beside == pytest.approx(seconds.wall - seconds.measuring)
    assert str(replace(ProfileSeconds(), fitting=2.0, warming_up=3.25)) == "5.2 s: warming up 3.2 s, fitting 2.0 s"


def test_models_are_loaded_once_however_many_networks_are_added(on, drifting, tmp_path):
    loaded = []

    class Counting(Uneven, drifting):
        def load(self, key, path):
            super().load(key, path)
            loaded.append(key)

    on(device := Counting())
    table = load(profile(SPACE, out=tmp_path / "t.json", precision=0.5, networks=3, within=1e-6, time_limit=6))
    assert len(table.networks.archs) > 3
    assert len(set(loaded)) == len(loaded) == len(table.rows) + len(table.networks.archs) + 2
    assert device.models == {}


def test_a_seed_gives_the_same_table(on, drifting, monkeypatch, space, tmp_path):
    tables = []
    for index in range(2):
        monkeypatch.setattr(drifting, "passed", 0.0)
        on(drifting())
        table = profile(space, out=tmp_path / f"{index}.json", precision=0.05, networks=5, seed=3).table
        tables.append(replace(table, date=""))
    assert tables[0] == tables[1]


def test_killed_and_started_again(tmp_path):
    """kill -9 leaves the last checkpoint; the same call goes on from it and ends with a whole table."""
    path, partial = tmp_path / "table.json", tmp_path / "table.json.partial"
    code = (
        "from hwnas.latency import checkpoint\nfrom hwnas.pipeline.profile import profile\n"
        f"checkpoint.EVERY = 0\nprofile({SPACE!r}, out={str(path)!r}, precision=1e-9, time_limit=600, networks=3)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 60
        while not partial.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert not path.exists()
    left = json.loads(partial.read_text())["samples"]["visits"]
    assert all(left.values())
    table = load(profile(SPACE, out=path, time_limit=1e-9, networks=3))
    for key, row in table.rows.items():
        assert row.rounds == max(MIN_ROUNDS, len(left[key]))
        assert row.minimum <= 1e3 * min(min(seconds) for seconds, _ in left[key])
    assert not partial.exists()


def test_checkpoints_are_not_written_all_the_time(tmp_path):
    kept = checkpoint.Checkpoint(tmp_path / "a.partial", {})
    kept.write_if_due(checkpoint.Samples())
    assert not kept.path.exists()
    kept._written -= checkpoint.EVERY
    kept.write_if_due(checkpoint.Samples())
    assert kept.path.exists()


def test_the_table_of_other_classes_has_a_name_of_its_own(on, drifting, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    on(drifting())
    asked = {"precision": 0.5, "networks": 3, "time_limit": 1e-9}
    paths = [profile(SPACE, classes=classes, **asked).path for classes in (None, 5)]
    assert [load(path).classes for path in paths] == [10, 5]
    assert [path.name for path in paths] == ["drifting.proxyless-32.json", "drifting.proxyless-32.5-classes.json"]
