"""The conversation with runners that lie, babble, hang or die."""

import json
import sys

import pytest

from hwnas.devices import channel, local, process
from hwnas.devices.local import LocalChannel
from hwnas.devices.process import RunnerDevice
from hwnas.errors import DeviceError
from hwnas.testing import refused

INFO = {"model": "m", "runtime": "r", "version": "1", "threads": 1, "os": "o", "cores": []}


def runner_that(answers: str, first: str = json.dumps(INFO)) -> RunnerDevice:
    """A device whose runner says `first`, and for each request does what the code `answers` says."""
    code = f"import sys\nprint({first!r}, flush=True)\nfor line in sys.stdin:\n    {answers}\n    sys.stdout.flush()"
    return RunnerDevice("fake", LocalChannel([sys.executable, "-c", code]))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ('{"seconds": [[0.1, NaN]]}', "times"),
        ('{"seconds": [[0.1, Infinity]]}', "times"),
        ('{"seconds": [[0.1, -0.1]]}', "times"),
        ('{"seconds": [[0.1, 0]]}', "times"),
        ('{"seconds": [[0.1]]}', "count"),
        ('{"seconds": [["x", "y"]]}', "times"),
        ('{"seconds": [[0.1, null]]}', "times"),
        ('{"seconds": [[0.1, true]]}', "times"),
        ('{"seconds": [[0.1, "0.1"]]}', "times"),
        ('{"seconds": [[0.1, 1' + "0" * 400 + "]]}", "times"),
        ("[" * 100000, "no-json"),
        ('{"seconds": []}', "visits"),
        ("{}", "visits"),
        ("[1, 2]", "no-json"),
        ("hello", "no-json"),
    ],
)
def test_times_that_cannot_be_true_are_refused(answer, what):
    with runner_that(f"print({answer!r})") as device, refused("device.answer", DeviceError, what=what):
        device.time([("a", 2)])


def test_what_a_runner_complains_of_is_repeated():
    with runner_that("""print('{"error": "too hot"}')""") as device, refused("device.failed", DeviceError) as refusal:
        device.time([("a", 2)])
    assert refusal.message == "device fake: too hot"


def test_a_runner_that_dies_is_named_with_its_last_words():
    with runner_that('sys.exit("out of memory")') as device:
        with refused("device.ended", device="fake") as refusal:
            device.time([("a", 2)])
        assert refusal.message.endswith("out of memory")
        with refused("device.ended"):
            device.time([("a", 2)])


def test_a_runner_that_dies_in_the_middle_of_an_answer():
    half = """sys.stdout.write('{"seconds": [[0.1'); sys.exit()"""
    with runner_that(half) as device, refused("device.ended"):
        device.time([("a", 2)])


@pytest.mark.parametrize(
    ("first", "what"),
    [("hello", "no-json"), ("{}", "fields"), (json.dumps({**INFO, "threads": "many"}), "fields")],
)
def test_a_runner_that_does_not_say_what_it_is(first, what):
    with refused("device.answer", what=what), runner_that("pass", first):
        pass


def test_a_runner_that_cannot_start():
    with refused("device.cannot-start"), RunnerDevice("fake", LocalChannel(["/no/such/program"])):
        pass


@pytest.mark.parametrize(
    ("request_", "answer", "what"),
    [
        ("state", '{"mhz": NaN}', "number"),
        ("state", '{"mhz": 1e999}', "number"),
        ("state", '{"celsius": -3}', "number"),
        ("state", '{"celsius": "hot"}', "fields"),
        ("state", '{"smell": 1}', "fields"),
        ("state", '{"a\\n\\u001b[2J": 1}', "fields"),
        ("breakdown", "{}", "fields"),
        ("breakdown", '{"operators": [{"name": "a", "type": "b", "seconds": -1}]}', "number"),
        ("breakdown", '{"operators": [{"name": "a", "type": "b", "seconds": NaN}]}', "number"),
        ("breakdown", '{"operators": [{"name": "\\u001b[2J", "type": "b", "seconds": 1}]}', "text"),
        ("breakdown", '{"operators": [], "peak_bytes": -1}', "number"),
        ("breakdown", '{"operators": [], "peak_bytes": 1' + "0" * 400 + "}", "number"),
    ],
)
def test_a_state_or_breakdown_that_cannot_be_true_is_refused(request_, answer, what, model):
    with runner_that(f"print({answer!r})") as device, refused("device.answer", DeviceError, what=what) as refusal:
        device.state() if request_ == "state" else device.breakdown(model)
    assert "\x1b" not in refusal.message


def test_a_runner_that_cannot_tell(model):
    with runner_that("""print('{"error": "of the CPU only"}')""") as device:
        with refused("device.failed", device="fake"):
            device.state()
        with refused("device.no-breakdown", device="fake", path=str(model)) as refusal:
            device.breakdown(model)
    assert refusal.message.endswith("of the CPU only")


def test_a_runner_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(local, "EXIT_SECONDS", 0.1)
    with runner_that("import time; time.sleep(60)") as device:
        monkeypatch.setattr(process, "ANSWER_SECONDS", 1.0)
        started = device.channel._process
        with refused("device.no-answer", device="fake", seconds=1.0):
            device.state()
        assert started.returncode is not None
        with refused("device.not-running", device="fake"):
            device.state()


def test_a_line_without_end(monkeypatch):
    monkeypatch.setattr(channel, "LINE", 10_000)
    endless = runner_that("while True: sys.stdout.write('x' * 1000)")
    with endless as device, refused("device.answer", what="length"):
        device.state()


def test_a_line_may_be_as_long_as_that():
    lines = channel.Lines()
    lines.add(b"x" * channel.LINE)
    assert lines.next() is None
    with refused("device.answer", what="length"):
        lines.add(b"x")


def test_after_babble_no_answer_is_taken_for_anothers():
    """What comes after a line that is no answer may be the answer to an earlier request."""
    with runner_that("""print('loading...'); print('{"seconds": [[1]]}')""") as device:
        with refused("device.answer", what="no-json"):
            device.time([("a", 1)])
        with refused("device.not-running", device="fake"):
            device.time([("b", 1)])
