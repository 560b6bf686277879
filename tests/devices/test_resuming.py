"""Connections that break: made again where that is possible, told in one line where it is not."""

import json

import pytest

from hwnas.devices import process
from hwnas.devices.channel import ChannelClosed, Unreachable
from hwnas.devices.process import RunnerDevice
from hwnas.errors import DeviceError
from hwnas.testing import refused

INFO = {"model": "m", "runtime": "r", "version": "1", "threads": 1, "os": "o", "cores": []}


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(process, "WAITS", (0.0, 0.0))


class ScriptedChannel:
    """An honest runner behind a connection that breaks when told to."""

    resumable = True

    def __init__(self):
        self.opened, self.breaks, self.unreachable, self.refusal, self.full = 0, 0, 0, None, False
        self.info, self.asked, self.limits, self.files = dict(INFO), [], [], []

    def open(self):
        self.opened += 1
        if self.opened > 1 and self.unreachable:
            self.unreachable -= 1
            raise Unreachable("no route")
        if self.refusal:
            raise self.refusal
        self.answer, self.loaded = json.dumps(self.info), set()

    def send(self, line):
        if self.breaks:
            self.breaks -= 1
            raise ChannelClosed("connection reset")
        request = json.loads(line)
        self.asked.append(request["do"])
        if request["do"] == "load":
            self.loaded.add(request["key"])
        if request["do"] == "time":
            known = all(key in self.loaded for key, _ in request["visits"])
            times = [[Scripted.SECONDS] * repeats for _, repeats in request["visits"]]
            self.answer = json.dumps({"seconds": times} if known else {"error": "not loaded"})
        elif request["do"] == "load" and self.full:
            self.answer = json.dumps({"error": "out of memory"})
        else:
            self.answer = "{}"

    def receive(self, timeout):
        self.limits.append(timeout)
        return self.answer + "\n"

    def put(self, path):
        self.files.append(path.read_bytes())
        return str(path)

    def close(self):
        pass


class Scripted(RunnerDevice):
    SECONDS = 100.0  # longer than loading a model takes here

    def __init__(self):
        super().__init__("board", ScriptedChannel())


def test_a_broken_connection_is_made_again_with_all_models(model, at_once):
    with Scripted() as device:
        device.load("a", model)
        device.load("b", model)
        content = model.read_bytes()
        model.unlink()  # whoever asked for it may have had it in a temporary folder
        device.unload("a")
        device.channel.breaks = 1
        assert device.time([("b", 2)])[0].tolist() == [Scripted.SECONDS] * 2
    assert device.channel.asked == ["load", "load", "unload", "load", "time"]
    assert device.channel.files == [content] * 3


def test_a_connection_that_breaks_while_a_model_is_loaded(model, at_once):
    with Scripted() as device:
        device.channel.breaks, device.channel.unreachable = 1, 1
        device.load("a", model)
        assert device.time([("a", 1)])[0].shape == (1,)
    assert device.channel.opened == 3


def test_a_device_that_is_gone(model, at_once):
    with Scripted() as device:
        device.load("a", model)
        device.channel.breaks, device.channel.unreachable = 1, 100
        with refused("device.unreachable", DeviceError, device="board"):
            device.time([("a", 1)])
        with refused("device.not-running"):
            device.time([("a", 1)])
    assert device.channel.opened == 3


def test_a_request_that_breaks_every_connection(at_once):
    with Scripted() as device:
        device.channel.breaks = 100
        with refused("device.ended", device="board"):
            device.unload("a")
    assert device.channel.opened == 3


def test_a_device_that_is_another_after_a_break(at_once):
    with Scripted() as device:
        device.channel.breaks = 1
        device.channel.info["version"] = "2"
        with refused("device.changed", device="board") as refusal:
            device.state()
    assert "version: 1, not 2" in refusal.message


def test_a_device_that_is_refused_after_a_break(model, at_once):
    with Scripted() as device:
        device.load("a", model)
        device.channel.breaks, device.channel.refusal = (
            1,
            DeviceError("shows another key", code="device.host-key-changed"),
        )
        with refused("device.host-key-changed", DeviceError):
            device.time([("a", 1)])
        with refused("device.not-running"):
            device.time([("a", 1)])


def test_a_model_that_runs_no_more_after_a_break(model, at_once):
    with Scripted() as device:
        device.load("a", model)
        device.channel.breaks, device.channel.full = 1, True
        with refused("model.does-not-run", device="board", reason="runtime"):
            device.time([("a", 1)])
        with refused("device.not-running"):
            device.time([("a", 1)])


def test_the_time_limit_grows_with_what_is_asked(model):
    """A run of a model may take ten times as long as ever before."""
    with Scripted() as device:
        device.load("a", model)
        device.time([("a", 3)])
        device.time([("a", 1000)])
    assert device.channel.limits[-1] == pytest.approx(process.ANSWER_SECONDS + 10 * 1000 * Scripted.SECONDS)
