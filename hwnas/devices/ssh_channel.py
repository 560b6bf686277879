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

START, KILL = 'echo $$ >"$0"; exec "$@"', 'kill -KILL "-$(cat "$0")"'
"""Scripts for the shell there: start a program whose process is noted in a file, and end it with all it has started."""

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._files: asyncssh.SFTPClient | None = None
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
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
            raise ChannelClosed(reason(error)) from None
        except asyncssh.SFTPError as error:
            message = f"cannot write to {self._folder} on {place(self._to)}: {reason(error)}"
            raise DeviceError(message, code="device.cannot-write", path=self._folder) from None
        except (asyncssh.Error, OSError) as error:
            if isinstance(error, TimeoutError) and not future.done():  # or it is the network that gave up
                raise
            raise ChannelClosed(reason(error)) from None
        finally:
            future.cancel()

    async def _open(self) -> None:
        if self._connection is not None:
            self._connection.abort()
        self._connection = self._files = self._process = None
        self._lines, self._errors = Lines(), b""
        self._connection = await connect(self._to)
        try:
            self._files = await self._connection.start_sftp_client()
        except (asyncssh.ChannelOpenError, asyncssh.SFTPError) as error:
            message = f"{place(self._to)} takes no files: it needs an SFTP server ({reason(error)})"
            raise Unreachable(message, code="device.no-sftp", host=self._to.host) from None
        await self._files.makedirs(self._folder, asyncssh.SFTPAttrs(permissions=0o700), exist_ok=True)
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
        process = _opened(self._process)
        data = await process.stdout.read(2**16)
        if data:
            return data
        with suppress(asyncssh.Error, TimeoutError):
            await asyncio.wait_for(asyncio.gather(process.wait_closed(), self._listening), EXIT_SECONDS)
        words, status = last_line(self._errors.decode(errors="replace")), process.exit_status
        if status == NOT_FOUND:
            words = f"{place(self._to)} has no {self._to.python}: name its Python in the device file ({words})"
        raise ChannelClosed(words or ("connection lost" if status is None else f"exit status {status}"))

    async def _there(self, word: str | Path) -> str:
        """A word as it is; of a file the path there, after it was sent, if it was not before."""
        if isinstance(word, str):
            return word
        name = f"{sha256(word.read_bytes()).hexdigest()}{word.suffix}"
        files = _opened(self._files)
        there = f"{await files.realpath(self._folder)}/{name}"
        with suppress(asyncssh.SFTPNoSuchFile):
            if (await files.stat(there)).size == word.stat().st_size:
                return there
        await files.put(word, f"{there}.part")  # not `there`: a file of the right size may still have holes
        await files.posix_rename(f"{there}.part", there)
        return there

    async def _close(self) -> None:
        if self._connection is None:
            return
        try:
            if self._process is not None:
                await self._end()
            if self._files is not None:
                await asyncio.wait_for(self._files.rmtree(self._folder, ignore_errors=True), EXIT_SECONDS)
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
        return f"exec {shlex.join(['sh', '-c', script, f'{self._folder}/pid', *arguments])}"


def _opened(thing: T | None) -> T:
    """What `open` made. Raises `ChannelClosed` where it did not."""
    if thing is None:
        raise ChannelClosed("the connection is not open")
    return thing


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run `loop` until it is stopped, then end what is still going on in it."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()
