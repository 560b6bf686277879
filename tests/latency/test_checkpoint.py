"""A checkpoint that cannot be read on is refused in one line. What it is for is in test_profile.py."""

import json

import pytest

from hwnas.devices.base import DeviceState
from hwnas.errors import InputError
from hwnas.latency.checkpoint import Checkpoint
from hwnas.latency.samples import Samples


def test_reads_back_what_was_written(tmp_path):
    kept = Checkpoint(tmp_path / "a.partial", {"space": "tiny"})
    samples = Samples(reference=[0.1, 0.2], readings=[(2, DeviceState(mhz=1.5, throttled=False))], elapsed=3.0)
    kept.write(samples)
    assert kept.load() == samples
    kept.remove()
    assert kept.load() == Samples()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 1},
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
    with pytest.raises(InputError, match="is not a checkpoint") as caught:
        kept.load()
    assert "\n" not in str(caught.value)
