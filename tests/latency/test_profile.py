"""The profiling stage: on a device whose truth is known, and killed in the middle on the real one."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from hwnas import devices
from hwnas.devices.base import DeviceError
from hwnas.errors import InputError
from hwnas.latency import checkpoint
from hwnas.latency.measure import MIN_ROUNDS
from hwnas.latency.predictor import TablePredictor
from hwnas.latency.table import load
from hwnas.pipeline.profile import profile

SPACE = "proxyless-32"


@pytest.fixture
def on(monkeypatch):
    """Makes `profile` run on this device object."""
    return lambda device: monkeypatch.setattr(devices, "get", lambda name, threads: device)


def test_sums_predict_where_blocks_add_up(on, drifting, space, tmp_path):
    on(drifting())
    table = load(profile(space, out=tmp_path / "table.json", precision=0.01, checks=20))
    assert set(table.rows) == {block.key for block in space.blocks()}
    assert table.flags == ()
    assert table.fit.within_10 == 1
    assert table.fit.rmspe < 0.02
    assert table.fit.spearman > 0.9
    predictor = TablePredictor(space, table)
    measured = np.array([check.measured.ms for check in table.checks])
    np.testing.assert_allclose(predictor.cost([check.arch for check in table.checks]), measured, rtol=0.05)
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]


def test_flags_what_did_not_go_as_asked(on, drifting, space, tmp_path):
    class Slowing(drifting):
        def run(self, key):
            return super().run(key) * (1 + self.runs / 5000)

    on(Slowing())
    table = load(profile(space, out=tmp_path / "table.json", precision=1e-6, time_limit=0.3, checks=3))
    assert [flag.split(":")[0] for flag in table.flags] == ["time limit", "drift", "disturbed"]


def test_flags_sums_that_do_not_predict(on, drifting, space, tmp_path):
    """Whole networks are slowed at random, as where something else uses the memory."""

    class Crowded(drifting):
        def load(self, key, path):
            super().load(key, path)
            self.models[key] *= 1 + key.startswith("net:") * self.rng.random()

    on(Crowded())
    (flag,) = load(profile(space, out=tmp_path / "table.json", checks=20)).flags
    assert flag.startswith("checks: only ")


def test_a_failure_keeps_the_old_table_and_the_times(on, drifting, space, tmp_path):
    path = tmp_path / "table.json"
    on(drifting())
    before = profile(space, out=path, time_limit=1e-9, checks=3).read_bytes()

    class Failing(drifting):
        def run(self, key):
            if self.runs > 2000:
                raise DeviceError("unplugged")
            return super().run(key)

    on(Failing())
    with pytest.raises(DeviceError, match="unplugged"):
        profile(space, out=path, precision=1e-9, checks=3)
    assert path.read_bytes() == before
    left = json.loads((tmp_path / "table.json.partial").read_text())["samples"]["visits"]
    on(drifting())
    table = load(profile(space, out=path, time_limit=1e-9, checks=3))
    for key, row in table.rows.items():
        assert row.rounds >= max(MIN_ROUNDS, len(left[key]))
        assert row.minimum <= 1e3 * min(min(seconds) for seconds, _ in left[key])


def test_times_of_another_device_are_refused_unless_fresh(on, drifting, space, tmp_path):
    path, partial = tmp_path / "table.json", tmp_path / "table.json.partial"

    class Other(drifting):
        info = drifting.info.__class__(**{**drifting.info.__dict__, "threads": 3})

        def run(self, key):
            if self.runs > 2000:
                raise DeviceError("unplugged")
            return super().run(key)

    on(Other())
    with pytest.raises(DeviceError):
        profile(space, out=path, precision=1e-9, checks=3)
    left = partial.read_bytes()
    on(drifting())
    with pytest.raises(InputError, match=r"something else \(threads: 3, not 1\)"):
        profile(space, out=path, checks=3)
    assert partial.read_bytes() == left
    assert load(profile(space, out=path, time_limit=1e-9, checks=3, fresh=True)).device.threads == 1
    assert not partial.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "identity": {}, "samples": {}}'])
def test_a_damaged_checkpoint_is_refused(on, drifting, space, tmp_path, text):
    on(drifting())
    (tmp_path / "table.json.partial").write_text(text)
    with pytest.raises(InputError, match="checkpoint"):
        profile(space, out=tmp_path / "table.json", checks=3)


def test_senseless_requests(tmp_path):
    for request in ({"space": "none"}, {"device": "none"}, {"threads": 0}, {"classes": 1}, {"checks": 2}):
        with pytest.raises(InputError):
            profile(**{"space": SPACE, "out": tmp_path / "table.json", **request})
    assert list(tmp_path.iterdir()) == []


def test_killed_and_started_again(tmp_path):
    """kill -9 leaves the last checkpoint; the same call goes on from it and ends with a whole table."""
    path, partial = tmp_path / "table.json", tmp_path / "table.json.partial"
    code = (
        "from hwnas.latency import checkpoint\nfrom hwnas.pipeline.profile import profile\n"
        f"checkpoint.EVERY = 0\nprofile({SPACE!r}, out={str(path)!r}, precision=1e-9, time_limit=600, checks=3)"
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
    table = load(profile(SPACE, out=path, time_limit=1e-9, checks=3))
    for key, row in table.rows.items():
        assert row.rounds == max(MIN_ROUNDS, len(left[key]))
        assert row.minimum <= 1e3 * min(min(seconds) for seconds, _ in left[key])
    assert not partial.exists()


def test_checkpoints_are_not_written_all_the_time(tmp_path):
    kept = checkpoint.Checkpoint(tmp_path / "a.partial", {})
    kept.keep(checkpoint.Samples())
    assert not kept.path.exists()
    kept._written -= checkpoint.EVERY
    kept.keep(checkpoint.Samples())
    assert kept.path.exists()
