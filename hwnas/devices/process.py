"""A device behind a one-file runner, spoken to in JSON lines over any channel. Believes nothing that it says."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self, TypeVar

import numpy as np

from ..errors import DeviceError, InputError
from . import answers
from .artifact import whole
from .base import Breakdown, DeviceInfo, DeviceState, Visit
from .channel import Channel, ChannelClosed, Unreachable
from .spec import Runtime

ANSWER = 60.0
"""Seconds that an answer may take which needs no model to run."""

SLOWER = 10.0
"""How many times slower than ever before a run may be until its runner counts as hanging."""

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 29.0)
"""Seconds before each try to reach a device again."""

TRIES = 3
"""How often a request is made in all where the connection breaks each time: it may be the request that breaks it."""

T = TypeVar("T")


@dataclass
class _Model:
    """A model of the file `source`: the file to send, a folder for it, and the longest that a run of it took, in s."""

    source: Path
    path: Path
    folder: tempfile.TemporaryDirectory
    run: float = 0.0


class RunnerDevice:
    """A `Device` whose runner is reached by `channel`. It computes at batch 1 until told otherwise.

    Where the channel is resumable, a broken connection is made again and the request repeated; the device must be the
    same as before. Every request has a time limit: a runner that does not answer is ended.
    """

    def __init__(self, name: str, channel: Channel, runtime: Runtime | None = None) -> None:
        self.name, self.channel, self.runtime = name, channel, runtime or Runtime()
        self._models: dict[str, _Model] = {}
        self._info: DeviceInfo | None = None

    def __str__(self) -> str:
        return f"device {self.name}"

    @property
    def info(self) -> DeviceInfo:
        """What this device is. Raises `DeviceError` before it is up."""
        if self._info is None:
            raise DeviceError(f"{self} is not running")
        return self._info

    def __enter__(self) -> Self:
        try:
            self._info = self._greet()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, Unreachable):
                raise DeviceError(f"{self}: {error}") from None
            if isinstance(error, ChannelClosed):
                raise DeviceError(f"{self} cannot start its runner: {answers.plain(error)}") from None
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()
        for model in self._models.values():
            model.folder.cleanup()
        self._models.clear()

    def load(self, key: str, path: Path) -> None:
        """Get the ONNX model of `path` ready. Raises `InputError` where the runtime cannot run it."""
        self._require_up()
        model = self._prepare(Path(path))
        try:
            self._lasting(lambda: self._load(key, model))
        except BaseException:
            model.folder.cleanup()
            raise
        self._forget(key)
        self._models[key] = model

    def unload(self, key: str) -> None:
        """Forget the model `key`."""
        self._require(self._lasting(lambda: self._ask(ANSWER, do="unload", key=key)))
        self._forget(key)

    def time(self, visits: Sequence[Visit]) -> list[np.ndarray]:
        """Raw seconds of every run. Raises `DeviceError` for an answer that is not that many positive times."""
        known = [(self._models[key], repeats) for key, repeats in visits if key in self._models]
        limit = ANSWER + SLOWER * sum(model.run * repeats for model, repeats in known)
        reply = self._require(self._lasting(lambda: self._ask(limit, do="time", visits=list(visits))))
        found = answers.seconds(reply.get("seconds"), visits, self)
        for (key, _), times in zip(visits, found, strict=True):
            if key in self._models:
                self._models[key].run = max([self._models[key].run, *times])
        return found

    def state(self) -> DeviceState:
        """How the device is now. Raises `DeviceError`."""
        return answers.facts(answers.STATE, self._require(self._lasting(lambda: self._ask(ANSWER, do="state"))), self)

    def breakdown(self, path: Path, repeats: int = 10) -> Breakdown:
        """Where the time of the model of `path` goes over `repeats` runs. `InputError` where the device cannot tell."""
        self._require_up()
        model = self._prepare(Path(path))
        limit = self.runtime.patience() * (1 + repeats)

        def ask() -> dict[str, Any]:
            return self._ask(limit, do="breakdown", path=self._put(model), repeats=repeats)

        try:
            reply = self._lasting(ask)
        finally:
            model.folder.cleanup()
        if "error" in reply:
            raise InputError(f"{self} cannot tell where the time of {path} goes: {answers.plain(reply['error'])}")
        return answers.facts(answers.BREAKDOWN, reply, self)

    def _prepare(self, source: Path) -> _Model:
        """The model of `source` as it will be sent."""
        folder = tempfile.TemporaryDirectory()
        inside = Path(folder.name)
        try:
            made = self.runtime.prepare(whole(source, inside), inside)
            if self.channel.resumable and made.parent != inside:
                made = Path(shutil.copy(made, inside))  # to be sent again later, when `source` may be gone
        except BaseException as error:
            folder.cleanup()
            if isinstance(error, InputError):
                raise InputError(f"{source} does not run on {self}: {error}") from None
            raise
        return _Model(source, made, folder)

    def _load(self, key: str, model: _Model) -> None:
        where, started = self._put(model), monotonic()
        reply = self._ask(self.runtime.patience(), do="load", key=key, path=where)
        if "error" in reply:
            raise InputError(f"{model.source} does not run on {self}: {answers.plain(reply['error'])}")
        model.run = max(model.run, monotonic() - started)  # in which it ran at least once

    def _forget(self, key: str) -> None:
        if key in self._models:
            self._models.pop(key).folder.cleanup()

    def _lasting(self, action: Callable[[], T]) -> T:
        """What `action` gives, done again where the connection broke in it and could be made again."""
        tries = TRIES if self.channel.resumable else 1
        while True:
            try:
                return action()
            except ChannelClosed as closed:
                tries -= 1
                if not tries:
                    raise DeviceError(f"{self} ended unexpectedly: {answers.plain(closed)}") from None
            self._resume()

    def _resume(self) -> None:
        """Reach the device again and load everything that was loaded. Raises `DeviceError`."""
        before, why = self.info, ""
        for wait in WAITS:
            sleep(wait)
            try:
                differences = before.differences(self._greet())
                if differences:
                    raise DeviceError(f"{self} is not as it was before its connection broke: {differences[0]}")
                for key, model in self._models.items():
                    self._load(key, model)
                return
            except (ChannelClosed, Unreachable) as error:
                why = answers.plain(error)
            except InputError:
                self._end()
                raise
        raise self._down(f"could not be reached again: {why}")

    def _greet(self) -> DeviceInfo:
        """Begin the conversation: what the runner says it is. `Unreachable` does not name the device yet."""
        with self._named():
            self.channel.open()
        said = self._require(self._hear(ANSWER))
        own = {"precision": self.runtime.precision, "batch": 1, **said, "device": self.name}
        return answers.facts(answers.INFO, own, self)

    def _put(self, model: _Model) -> str:
        with self._named():
            return self.channel.put(model.path)

    def _ask(self, limit: float, **request: Any) -> dict[str, Any]:
        self._require_up()
        self.channel.send(json.dumps(request) + "\n")
        return self._hear(limit)

    def _hear(self, limit: float) -> dict[str, Any]:
        """The next answer. Anything but one ends the conversation: later ones would be taken for another's."""
        try:
            return answers.told(self.channel.receive(limit))
        except TimeoutError:
            raise self._down(f"did not answer within {limit:.0f} s") from None
        except DeviceError as error:
            raise self._down(str(error)) from None

    def _require(self, reply: dict[str, Any]) -> dict[str, Any]:
        if "error" in reply:
            raise DeviceError(f"{self}: {answers.plain(reply['error'])}")
        return reply

    def _require_up(self) -> None:
        _ = self.info

    def _down(self, what: str) -> DeviceError:
        """The error for a conversation that cannot go on; ends it."""
        self._end()
        return DeviceError(f"{self} {what}")

    def _end(self) -> None:
        self._info = None
        self.channel.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the name of the device before what a channel says, unless another try may still succeed."""
        try:
            yield
        except Unreachable:
            raise
        except DeviceError as error:
            raise DeviceError(f"{self}: {error}") from None
