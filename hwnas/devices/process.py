"""A device behind a runner, spoken to in JSON lines over any channel; every answer is validated."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self, TypeVar

import numpy as np

from ..errors import DeviceError, InputError
from . import answers
from .base import Breakdown, DeviceInfo, DeviceState, Visit
from .channel import Channel, ChannelClosed, Unreachable
from .runtime import Runtime
from .sent_model import SentModel

ANSWER_SECONDS = 60.0
"""Seconds that an answer may take which needs no model to run."""

SLOWER = 10.0
"""How many times slower than ever before a run may be until its runner counts as hanging."""

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 29.0)
"""Seconds before each try to reach a device again."""

TRIES = 3
"""How often a request is made in all where the connection breaks each time: it may be the request that breaks it."""

T = TypeVar("T")


class RunnerDevice:
    """A `Device` whose runner is reached by `channel`.

    Where the channel is resumable, a broken connection is made again and the request repeated; the device must be the
    same as before. Every request has a time limit: a runner that does not answer is ended.
    """

    def __init__(self, name: str, channel: Channel, runtime: Runtime | None = None) -> None:
        self.name, self.channel, self.runtime = name, channel, runtime or Runtime()
        self._models: dict[str, SentModel] = {}
        self._info: DeviceInfo | None = None
        self.cores_reason = ""
        """Why models run on the cores that they do, where the runner chose them; no part of what tables compare."""

    def __str__(self) -> str:
        return f"device {self.name}"

    @property
    def info(self) -> DeviceInfo:
        """What this device is. Raises `DeviceError` before it is up."""
        if self._info is None:
            raise self._error("is not running", "not-running")
        return self._info

    def __enter__(self) -> Self:
        try:
            self._info = self._connect()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, Unreachable):
                raise DeviceError(f"{self}: {error}", code=error.code, **error.fields) from None
            if isinstance(error, ChannelClosed):
                raise self._cannot_start(str(error)) from None
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()
        for model in self._models.values():
            model.remove()
        self._models.clear()

    def load(self, key: str, path: Path) -> None:
        """Get the ONNX model of `path` ready. Raises `InputError` where the runtime cannot run it."""
        self._require_running()
        model = self._prepare(Path(path))
        try:
            self._retry(lambda: self._load(key, model))
        except BaseException:
            model.remove()
            raise
        self._drop(key)
        self._models[key] = model

    def unload(self, key: str) -> None:
        """Forget the model `key`."""
        self._require_success(self._retry(lambda: self._request(ANSWER_SECONDS, do="unload", key=key)))
        self._drop(key)

    def time(self, visits: Sequence[Visit]) -> list[np.ndarray]:
        """Raw seconds of every run. Raises `DeviceError` for an answer that is not that many positive times."""
        loaded = [(self._models[key], repeats) for key, repeats in visits if key in self._models]
        limit = ANSWER_SECONDS + SLOWER * sum(model.longest * repeats for model, repeats in loaded)
        reply = self._require_success(self._retry(lambda: self._request(limit, do="time", visits=list(visits))))
        found = answers.validate_times(reply.get("seconds"), visits, self)
        for (key, _), times in zip(visits, found, strict=True):
            if key in self._models:
                self._models[key].longest = max([self._models[key].longest, *times])
        return found

    def state(self) -> DeviceState:
        """How the device is now. Raises `DeviceError`."""
        reply = self._require_success(self._retry(lambda: self._request(ANSWER_SECONDS, do="state")))
        return answers.validate(answers.STATE, reply, self)

    def breakdown(self, path: Path, repeats: int = 10) -> Breakdown:
        """Where the time of the model of `path` goes over `repeats` runs. `InputError` where the device cannot tell."""
        self._require_running()
        model = self._prepare(Path(path))
        limit = self.runtime.load_timeout() * (1 + repeats)

        def ask() -> dict[str, Any]:
            return self._request(limit, do="breakdown", path=self._put(model), repeats=repeats)

        try:
            reply = self._retry(ask)
        finally:
            model.remove()
        if "error" in reply:
            reason = answers.printable(reply["error"])
            raise InputError(
                f"{self} cannot tell where the time of {path} goes: {reason}",
                code="device.no-breakdown",
                device=self.name,
                path=str(path),
            )
        return answers.validate(answers.BREAKDOWN, reply, self)

    def _prepare(self, source: Path) -> SentModel:
        """The model of `source` with its artifact."""
        try:
            return SentModel.prepare(source, self.runtime, self.channel.resumable)
        except InputError as error:
            if error.code == "file.not-written":  # the fault of this machine, not of the model
                raise
            raise self._does_not_run(source, str(error), error.code) from None

    def _load(self, key: str, model: SentModel) -> None:
        where, started = self._put(model), monotonic()
        reply = self._request(self.runtime.load_timeout(), do="load", key=key, path=where)
        if "error" in reply:
            raise self._does_not_run(model.source, answers.printable(reply["error"]), "runtime")
        model.longest = max(model.longest, monotonic() - started)  # in which it ran at least once

    def _drop(self, key: str) -> None:
        if key in self._models:
            self._models.pop(key).remove()

    def _retry(self, action: Callable[[], T]) -> T:
        """The result of `action`, done again where the connection broke in it and could be made again."""
        tries = TRIES if self.channel.resumable else 1
        while True:
            try:
                return action()
            except ChannelClosed as closed:
                tries -= 1
                if not tries:
                    raise self._error(f"ended unexpectedly: {answers.printable(closed)}", "ended") from None
            self._reconnect()

    def _reconnect(self) -> None:
        """Reach the device again and load everything that was loaded. Raises `DeviceError`."""
        before, why = self.info, ""
        for wait in WAITS:
            sleep(wait)
            try:
                differences = before.differences(self._connect())
                if differences:
                    raise self._error(f"is not as it was before its connection broke: {differences[0]}", "changed")
                for key, model in self._models.items():
                    self._load(key, model)
                return
            except (ChannelClosed, Unreachable) as error:
                why = answers.printable(error)
            except InputError:
                self._end()
                raise
        raise self._end_with(f"could not be reached again: {why}", "unreachable")

    def _connect(self) -> DeviceInfo:
        """Begin the conversation: what the runner says it is. An `Unreachable` does not name the device yet."""
        with self._with_name():
            self.channel.open()
        greeting = self._receive(ANSWER_SECONDS)
        if "error" in greeting:
            raise self._cannot_start(greeting["error"])
        self.cores_reason = answers.printable(greeting.pop("cores_reason", ""))
        own = {"precision": self.runtime.precision, "batch": 1, **greeting, "device": self.name}
        return answers.validate(answers.INFO, own, self)

    def _put(self, model: SentModel) -> str:
        with self._with_name():
            return self.channel.put(model.artifact)

    def _request(self, limit: float, **request: Any) -> dict[str, Any]:
        self._require_running()
        self.channel.send(json.dumps(request) + "\n")
        return self._receive(limit)

    def _receive(self, limit: float) -> dict[str, Any]:
        """The next answer. Anything but one ends the conversation: later ones would be taken for another's."""
        try:
            return answers.parse_object(self.channel.receive(limit))
        except TimeoutError:
            raise self._end_with(f"did not answer within {limit:.0f} s", "no-answer", seconds=limit) from None
        except DeviceError as error:
            self._end()
            raise DeviceError(f"{self} {error}", code=error.code, **error.fields) from None

    def _require_success(self, reply: dict[str, Any]) -> dict[str, Any]:
        if "error" in reply:
            reason = answers.printable(reply["error"])
            raise DeviceError(f"{self}: {reason}", code="device.failed", device=self.name)
        return reply

    def _require_running(self) -> None:
        _ = self.info

    def _error(self, what: str, code: str, **fields: Any) -> DeviceError:
        return DeviceError(f"{self} {what}", code=f"device.{code}", device=self.name, **fields)

    def _cannot_start(self, reason: str) -> DeviceError:
        return self._error(f"cannot start its runner: {answers.printable(reason)}", "cannot-start")

    def _does_not_run(self, source: Path, message: str, reason: str) -> InputError:
        """The error for a model: `reason` is the code of what is wrong with it, or "runtime" where that refuses it."""
        message = f"{source} does not run on {self}: {message}"
        return InputError(message, code="model.does-not-run", path=str(source), device=self.name, reason=reason)

    def _end_with(self, what: str, code: str, **fields: Any) -> DeviceError:
        """End a conversation that cannot go on; returns the error to raise."""
        self._end()
        return self._error(what, code, **fields)

    def _end(self) -> None:
        self._info = None
        self.channel.close()

    @contextmanager
    def _with_name(self) -> Iterator[None]:
        """Put the name of the device before what a channel says, unless another try may still succeed."""
        try:
            yield
        except Unreachable:
            raise
        except DeviceError as error:
            raise DeviceError(f"{self}: {error}", code=error.code, **error.fields) from None
