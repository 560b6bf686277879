"""The conversation with runners that lie, babble, hang or die."""

import json
import sys

import pytest

from hwnas.devices import channel, local, process
from hwnas.devices.local import LocalChannel
from hwnas.devices.process import RunnerDevice
from hwnas.errors import DeviceError, InputError

INFO = {"model": "m", "runtime": "r", "version": "1", "threads": 1, "os": "o", "cores": []}


def runner_that(answers: str, first: str = json.dumps(INFO)) -> RunnerDevice:
    """A device whose runner says `first`, and for each request does what the code `answers` says."""
    code = f"import sys\nprint({first!r}, flush=True)\nfor line in sys.stdin:\n    {answers}\n    sys.stdout.flush()"
    return RunnerDevice("fake", LocalChannel([sys.executable, "-c", code]))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ('{"seconds": [[0.1, NaN]]}', "no positive number"),
        ('{"seconds": [[0.1, Infinity]]}', "no positive number"),
        ('{"seconds": [[0.1, -0.1]]}', "no positive number"),
        ('{"seconds": [[0.1, 0]]}', "no positive number"),
        ('{"seconds": [[0.1]]}', "asked for 2 times of a, answered 1"),
        ('{"seconds": [["x", "y"]]}', "other than times"),
        ('{"seconds": [[0.1, null]]}', "other than times"),
        ('{"seconds": [[0.1, true]]}', "other than times"),
        ('{"seconds": [[0.1, "0.1"]]}', "other than times"),
        ('{"seconds": [[0.1, 1' + "0" * 400 + "]]}", "no positive number"),
        ("[" * 100000, "other than a JSON object"),
        ('{"seconds": []}', "did not answer 1 visits"),
        ("{}", "did not answer 1 visits"),
        ('{"error": "too hot"}', "too hot"),
        ("[1, 2]", "other than a JSON object"),
        ("hello", "other than a JSON object: hello"),
    ],
)
def test_nothing_a_runner_says_is_believed(answer, complaint):
    with runner_that(f"print({answer!r})") as device, pytest.raises(DeviceError, match=complaint) as caught:
        device.time([("a", 2)])
    assert "\n" not in str(caught.value)


def test_a_runner_that_dies_is_named_with_its_last_words():
    with runner_that('sys.exit("out of memory")') as device:
        with pytest.raises(DeviceError, match=r"fake ended unexpectedly: out of memory"):
            device.time([("a", 2)])
        with pytest.raises(DeviceError, match="ended unexpectedly"):
            device.time([("a", 2)])


def test_a_runner_that_dies_in_the_middle_of_an_answer():
    half = """sys.stdout.write('{"seconds": [[0.1'); sys.exit()"""
    with runner_that(half) as device, pytest.raises(DeviceError, match="ended unexpectedly"):
        device.time([("a", 2)])


@pytest.mark.parametrize(
    ("first", "complaint"),
    [("hello", "JSON object"), ("{}", "Field required"), (json.dumps({**INFO, "threads": "many"}), "threads")],
)
def test_a_runner_that_does_not_say_what_it_is(first, complaint):
    with pytest.raises(InputError, match=complaint), runner_that("pass", first):
        pass


def test_a_runner_that_cannot_start():
    with pytest.raises(DeviceError, match="cannot start"), RunnerDevice("fake", LocalChannel(["/no/such/program"])):
        pass


@pytest.mark.parametrize(
    ("request_", "answer", "complaint"),
    [
        ("state", '{"mhz": NaN}', "answered nan"),
        ("state", '{"mhz": 1e999}', "answered inf"),
        ("state", '{"celsius": -3}', "answered -3"),
        ("state", '{"celsius": "hot"}', "celsius"),
        ("state", '{"smell": 1}', "smell"),
        ("state", '{"a\\n\\u001b[2J": 1}', "Unexpected"),
        ("state", '{"error": "no such request"}', "no such request"),
        ("breakdown", "{}", "operators"),
        ("breakdown", '{"operators": [{"name": "a", "type": "b", "seconds": -1}]}', "answered -1"),
        ("breakdown", '{"operators": [{"name": "a", "type": "b", "seconds": NaN}]}', "answered nan"),
        ("breakdown", '{"operators": [{"name": "\\u001b[2J", "type": "b", "seconds": 1}]}', "no plain line"),
        ("breakdown", '{"operators": [], "peak_bytes": -1}', "answered -1"),
        ("breakdown", '{"operators": [], "peak_bytes": 1' + "0" * 400 + "}", "answered 1000"),
        ("breakdown", '{"error": "of the CPU only"}', "cannot tell where the time of .* goes: of the CPU only"),
    ],
)
def test_no_state_and_no_breakdown_is_believed(request_, answer, complaint, model):
    with runner_that(f"print({answer!r})") as device, pytest.raises(InputError, match=complaint) as caught:
        device.state() if request_ == "state" else device.breakdown(model)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_runner_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(local, "PATIENCE", 0.1)
    with runner_that("import time; time.sleep(60)") as device:
        monkeypatch.setattr(process, "ANSWER", 1.0)
        started = device.channel._process
        with pytest.raises(DeviceError, match=r"device fake did not answer within 1 s"):
            device.state()
        assert started.returncode is not None
        with pytest.raises(DeviceError, match="is not running"):
            device.state()


def test_a_line_without_end(monkeypatch):
    monkeypatch.setattr(channel, "LINE", 10_000)
    endless = runner_that("while True: sys.stdout.write('x' * 1000)")
    with endless as device, pytest.raises(DeviceError, match="a line of more than 10000 bytes"):
        device.state()


def test_after_babble_no_answer_is_taken_for_anothers():
    """What comes after a line that is no answer may be the answer to an earlier request."""
    with runner_that("""print('loading...'); print('{"seconds": [[1]]}')""") as device:
        with pytest.raises(DeviceError, match="loading"):
            device.time([("a", 1)])
        with pytest.raises(DeviceError, match="is not running"):
            device.time([("b", 1)])
