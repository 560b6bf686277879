"""The conversation with a runner by ssh: asyncssh in a thread of its own, behind calls that wait for it."""

import asyncio
import secrets
import shlex
from collections.abc import Coroutine
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

import asyncssh

from ..errors import DeviceError
from .answers import WORDS
from .channel import ChannelClosed, Lines, Unreachable, last_line
from .runtime import Runtime
from .ssh import Ssh
from .ssh_connection import connect, place, reason

EXIT_SECONDS = 5.0
"""Seconds that a runner is given to end by itself once its input is closed, and its folder to be removed."""

OPEN_TIMEOUTS = 3.0
"""Times the `timeout` of a host within which it must have let us in and started the runner."""

ERRORS = 4096
"""Bytes of the runner's last errors that are kept."""

NOT_FOUND = 127
"""What a shell exits with where there is no such program."""

BEGIN = 'cd; echo "$1"; shift; '
"""What every script there begins with: at home, wherever the login went, and with a mark, before which it may talk."""

START, KILL = 'echo $$ >"$0"; exec "$@"', 'kill -KILL "-$(cat "$0")"'
"""Scripts for the shell there: start a program whose process is noted in a file, and end it with all it has started."""

MAKE, REMOVE = 'umask 077; mkdir -p "$1" && cd "$1" && pwd', 'rm -rf "$1"'
PUT, SIZE = 'cat >"$1.part" && mv -f "$1.part" "$1"', 'if [ -f "$1" ]; then wc -c <"$1"; fi'
"""Scripts for folders and files. They need no SFTP server, whose first answer a login that prints would spoil."""

NOISE = 2**20
"""The most bytes that a login may print."""

T = TypeVar("T")


class SshChannel:
    """The runner of `runtime`, copied to a host and running there.

    Files there are named by what they hold, in a folder that stays the same when a broken connection is made again:
    none is sent twice.
    """

    resumable = True

    def __init__(self, to: Ssh, runtime: Runtime) -> None:
        self._to, self._runtime = to, runtime
        self._folder = f"{to.folder.removeprefix('~/')}/{secrets.token_hex(8)}"
        self._mark = f"hwnas-{secrets.token_hex(8)}"
        self._sent: set[str] = set()  # by this connection
        self._again = False  # whether there was another before it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._process: asyncssh.SSHClientProcess[bytes] | None = None

    def open(self) -> None:
        """Connect and start the runner. Raises `DeviceError`, `Unreachable` where another try may succeed."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(target=_serve, args=(self._loop,), name="ssh", daemon=True)
            self._thread.start()
        limit = OPEN_TIMEOUTS * self._to.timeout
        try:
            self._wait(self._open(), limit)
        except TimeoutError:
            raise Unreachable(f"{place(self._to)} did not start the runner within {limit:g} s") from None

    def send(self, line: str) -> None:
        """Send one line. Raises `ChannelClosed`."""
        try:
            self._wait(self._write(line.encode()), self._to.timeout)
        except TimeoutError:
            raise ChannelClosed("it does not read what it is sent") from None

    def receive(self, timeout: float) -> str:
        """The next line. Raises `ChannelClosed`, `TimeoutError` after `timeout` seconds, or `DeviceError`."""
        deadline = monotonic() + timeout
        while (line := self._lines.next()) is None:
            self._lines.add(self._wait(self._read(), max(0.0, deadline - monotonic())))
        return line

    def put(self, path: Path) -> str:
        """Send a file, unless it is there already. Raises `ChannelClosed` or `DeviceError`."""
        return self._wait(self._there(path))

    def close(self) -> None:
        """End the runner, and remove its folder where the host can still be reached."""
        if self._loop is None:
            return
        with suppress(TimeoutError, ChannelClosed, DeviceError):
            self._wait(self._close(), 3 * EXIT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop = None

    def _wait(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """The result of `work`, done in the other thread. Raises `TimeoutError`."""
        future = asyncio.run_coroutine_threadsafe(work, _opened(self._loop))
        try:
            return future.result(timeout)
        except (asyncssh.Error, OSError) as error:
            if isinstance(error, TimeoutError) and not future.done():  # or it is the network that gave up
                raise
            raise ChannelClosed(reason(error)) from None
        finally:
            future.cancel()

    async def _open(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._again = True
        self._connection = self._process = None
        self._sent.clear()
        self._lines, self._noise, self._errors = Lines(), b"", b""
        self._begun = False
        self._connection = await connect(self._to)
        self._folder = (await self._run(MAKE, self._folder)).strip("\n")
        command = [self._to.python, *[await self._there(word) for word in self._runtime.command()]]
        self._process = await self._connection.create_process(self._script(START, *command), encoding=None)
        self._listening = asyncio.create_task(self._listen(self._process.stderr))

    async def _listen(self, stderr: asyncssh.SSHReader[bytes]) -> None:
        """Keep the last errors: a runner whose errors nobody reads would stop."""
        with suppress(asyncssh.Error, OSError):
            while data := await stderr.read(ERRORS):
                self._errors = (self._errors + data)[-ERRORS:]

    async def _write(self, data: bytes) -> None:
        stdin = _opened(self._process).stdin
        stdin.write(data)
        await stdin.drain()

    async def _read(self) -> bytes:
        """What the runner says next, without what the login said before it. Raises `ChannelClosed` at its end."""
        process = _opened(self._process)
        while data := await process.stdout.read(2**16):
            if self._begun:
                return data
            self._noise += data
            before, mark, after = self._noise.partition(f"{self._mark}\n".encode())
            self._begun = bool(mark)
            if after:
                return after
            if len(before) > NOISE:
                raise ChannelClosed(f"the login on {place(self._to)} prints without end: {_words(before[-WORDS:])}")
        with suppress(asyncssh.Error, TimeoutError):
            await asyncio.wait_for(asyncio.gather(process.wait_closed(), self._listening), EXIT_SECONDS)
        words, status = last_line(self._errors.decode(errors="replace")), process.exit_status
        if status is not None and not self._begun:
            raise ChannelClosed(self._no_login(self._noise, self._errors, status))
        if status == NOT_FOUND:
            words = f"{place(self._to)} has no {self._to.python}: name its Python in the device file ({words})"
        raise ChannelClosed(words or ("connection lost" if status is None else f"exit status {status}"))

    async def _run(self, script: str, *arguments: str, data: bytes = b"") -> str:
        """What a script prints there, `data` being its input. Raises `ChannelClosed`, and `DeviceError` where it
        fails."""
        ended = await _opened(self._connection).run(self._script(script, *arguments), input=data, encoding=None)
        printed, errors = ended.stdout, ended.stderr
        assert isinstance(printed, bytes)  # as asked for, by no encoding
        assert isinstance(errors, bytes)
        if ended.exit_status is None:
            raise ChannelClosed("connection lost")
        before, mark, after = printed.partition(f"{self._mark}\n".encode())
        if not mark:
            message = self._no_login(before, errors, ended.exit_status)
            raise DeviceError(message, code="device.no-login", host=self._to.host)
        if ended.exit_status:
            message = f"cannot write to {self._folder} on {place(self._to)}: {_words(errors)}"
            raise DeviceError(message, code="device.cannot-write", path=self._folder)
        return after.decode(errors="surrogateescape")

    def _no_login(self, printed: bytes, errors: bytes, status: int) -> str:
        """What is wrong with a login that ends before a command begins."""
        words = _words(errors) or _words(printed) or "nothing"
        return (
            f"the login on {place(self._to)} ended with status {status} before it ran a command, and printed: {words}; "
            "see what its shell starts with, such as ~/.bashrc"
        )

    async def _there(self, word: str | Path) -> str:
        """A word as it is; of a file the path there, after it was sent, if it was not before."""
        if isinstance(word, str):
            return word
        data = word.read_bytes()
        name = f"{sha256(data).hexdigest()}{word.suffix}"
        there = f"{self._folder}/{name}"
        if name in self._sent:
            return there
        # Of a connection before, by its size. A file that was cut off was not moved to its name.
        if not self._again or (await self._run(SIZE, there)).strip() != str(len(data)):
            await self._run(PUT, there, data=data)
        self._sent.add(name)
        return there

    async def _close(self) -> None:
        if self._connection is None:
            return
        try:
            if self._process is not None:
                await self._end()
            await asyncio.wait_for(self._run(REMOVE, self._folder), EXIT_SECONDS)
        finally:
            self._connection.abort()

    async def _end(self) -> None:
        """Let the runner end, or kill it: by a command, as sshd passes no signals on to what root runs."""
        process, connection = _opened(self._process), _opened(self._connection)
        process.stdin.write_eof()
        try:
            await asyncio.wait_for(process.wait_closed(), EXIT_SECONDS)
        except TimeoutError:
            await asyncio.wait_for(connection.run(self._script(KILL)), EXIT_SECONDS)

    def _script(self, script: str, *arguments: str) -> str:
        """A command that runs a script there, in place of the user's own shell, which may be of any kind."""
        return f"exec {shlex.join(['sh', '-c', BEGIN + script, f'{self._folder}/pid', self._mark, *arguments])}"


def _words(printed: bytes) -> str:
    """The last line of what was printed."""
    return last_line(printed.decode(errors="replace"))


def _opened(thing: T | None) -> T:
    """What `open` made. Raises `ChannelClosed` where it did not."""
    if thing is None:
        raise ChannelClosed("the connection is not open")
    return thing


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run `loop` until it is stopped, then end what is still going on in it."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()
