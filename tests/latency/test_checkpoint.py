"""A checkpoint that cannot be read on is refused in one line. What it is for is in test_profile.py."""

import json

import pytest

from hwnas.devices.base import DeviceState
from hwnas.errors import InputError
from hwnas.latency.checkpoint import Checkpoint
from hwnas.latency.samples import Samples
from hwnas.testing import refused


def test_reads_back_what_was_written(tmp_path):
    kept = Checkpoint(tmp_path / "a.partial", {"space": "tiny"})
    samples = Samples(reference=[0.1, 0.2], readings=[(2, DeviceState(mhz=1.5, throttled=False))], elapsed=3.0)
    kept.write(samples)
    assert kept.load() == samples
    kept.remove()
    assert kept.load() == Samples()


def test_another_schema_is_refused(tmp_path):
    kept = Checkpoint(tmp_path / "a.partial", {})
    kept.path.write_text(json.dumps({"schema": 1, "identity": {}, "samples": Samples().to_json()}))
    with refused("file.other-schema", InputError):
        kept.load()


def test_the_form_of_earlier_versions_is_read(tmp_path):
    """What an interrupted session of the version before left, byte for byte."""
    kept = Checkpoint(tmp_path / "a.partial", {"space": "tiny", "threads": 1})
    kept.path.write_text(
        '{"schema": 2, "identity": {"space": "tiny", "threads": 1}, "samples": {"visits": {"a": [[[0.002, 0.001], '
        '0.0005]]}, "reference": [0.0005], "readings": [[0, {"mhz": 1000.0, "celsius": null, "throttled": false}]], '
        '"elapsed": 0.25}}'
    )
    samples = kept.load()
    assert (samples.elapsed, samples.reference, samples.visits["a"][0][1]) == (0.25, [0.0005], 0.0005)
    assert samples.readings == [(0, DeviceState(mhz=1000.0, throttled=False))]
    text = kept.path.read_text()
    kept.write(samples)
    assert kept.path.read_text() == text


@pytest.mark.parametrize(
    "change",
    [
        {"samples": {}},
        {"samples": {"visits": {}, "reference": ["x"], "readings": [], "elapsed": 1}},
        {"samples": {"visits": {}, "reference": [], "readings": [[1, {"watts": 3}]], "elapsed": 1}},
        {"samples": {"visits": {"a": [[["x"], 1]]}, "reference": [], "readings": [], "elapsed": 1}},
        {"samples": {"visits": [], "reference": [], "readings": [], "elapsed": 1}},
    ],
)
def test_one_line_for_what_is_no_checkpoint(tmp_path, change):
    kept = Checkpoint(tmp_path / "a.partial", {})
    kept.write(Samples())
    value = json.loads(kept.path.read_text()) | change
    kept.path.write_text(json.dumps(value))
    with refused("checkpoint.damaged", InputError, path=str(kept.path)):
        kept.load()
