"""A phone behind an adb server: commands, a stream to a program, files."""

import re
import stat
import struct
import time
from importlib import import_module
from pathlib import Path
from socket import create_connection
from typing import Any

from ..errors import DeviceError, InputError
from .answers import printable
from .channel import LINE, ChannelClosed, Lines, Unreachable

CHUNK = 2**16
"""Bytes in one message of a push: the most that Android's sync service takes."""


class Stream:
    """Input and output of a program on the phone; its errors come with its output."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection  # kept whole, since closing it is what ends the program
        self._lines = Lines()

    def send(self, line: str, timeout: float) -> None:
        """Send one line. Raises `ChannelClosed`."""
        try:
            self._connection.conn.settimeout(timeout)
            self._connection.conn.sendall(line.encode())
        except OSError as error:
            raise ChannelClosed(f"the connection to the phone broke: {error}") from None

    def line(self, timeout: float) -> str:
        """The next line, with its end. Raises `ChannelClosed`, `TimeoutError`, or `DeviceError` for an endless one."""
        deadline = time.monotonic() + timeout
        while (line := self._lines.next()) is None:
            data = self._more(deadline)
            if not data:
                raise ChannelClosed("the connection to the phone broke")
            self._lines.add(data)
        return line

    def rest(self, timeout: float) -> str:
        """Everything until the program ends. Raises as `line` does."""
        deadline = time.monotonic() + timeout
        output = bytearray()
        while data := self._more(deadline):
            output += data
            if len(output) > LINE:
                message = f"answered a command with more than {LINE} bytes"
                raise DeviceError(message, code="device.answer", what="length")
        return output.decode(errors="replace")

    def close(self) -> None:
        """Close its input, upon which a runner ends. Another program goes on until it is done, or prints something."""
        self._connection.close()

    def _more(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            self._connection.conn.settimeout(left)
            data: bytes = self._connection.conn.recv(CHUNK)
            return data
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelClosed(f"the connection to the phone broke: {error}") from None


class Phone:
    """One phone of the adb server at `host`:`port`: that of `serial`, or the only one. `timeout` is in seconds."""

    def __init__(self, serial: str | None, host: str, port: int, timeout: float) -> None:
        try:
            self._adb = import_module("adbutils")
        except ImportError:
            raise InputError(
                "a phone needs adbutils: pip install 'hwnas[adb]'", code="device.package-absent", package="adbutils"
            ) from None
        self.serial, self.timeout = serial, timeout
        self._server = host, port
        self._client = self._adb.AdbClient(host, port, socket_timeout=timeout)

    def find(self) -> None:
        """Settle which phone is meant. Raises `DeviceError` where none can be used, naming what to do."""
        self._require_server()
        try:
            states = {phone.serial: phone.state for phone in self._client.list()}
        except (self._adb.AdbError, OSError, ValueError) as error:
            message = f"the adb server gives no list of its phones: {printable(error)}"
            raise Unreachable(message, code="device.no-adb-server") from None
        if self.serial is None:
            usable = [serial for serial, state in states.items() if state == "device"] or list(states)
            if len(usable) > 1:
                message = f"more than one phone: set serial to one of {printable(', '.join(usable))}"
                raise DeviceError(message, code="device.several-phones", serials=usable)
            if not usable:
                raise Unreachable(
                    "no phone: plug it in, and allow USB debugging in its developer options", code="device.no-phone"
                )
            self.serial = usable[0]
        state = states.get(self.serial)
        if state is None:
            message = f"no phone {self.serial}: adb devices lists {printable(', '.join(states)) or 'none'}"
            raise Unreachable(message, code="device.no-phone", serial=self.serial)
        if state == "unauthorized":
            message = f"phone {self.serial} is unauthorized: allow this computer in the dialog on its screen"
            raise DeviceError(message, code="device.phone-unauthorized", serial=self.serial)
        if state != "device":
            message = f"phone {self.serial} is {printable(state)}, not ready: see adb devices"
            raise Unreachable(message, code="device.phone-not-ready", serial=self.serial)

    def start(self, command: str) -> Stream:
        """A program of the phone's shell. Raises `ChannelClosed`.

        The service `exec:` and not `shell:`, as a terminal would echo requests and turn line ends into two characters.
        """
        return Stream(self._service(f"exec:{command}"))

    def shell(self, command: str, timeout: float | None = None) -> tuple[int, str]:
        """The exit status of a command, and what it printed. Raises `ChannelClosed`, `TimeoutError`, `DeviceError`."""
        stream = self.start(f"{command}; echo status=$?")  # the service has no other way to tell
        try:
            printed, _, status = stream.rest(timeout or self.timeout).rpartition("status=")
        finally:
            stream.close()
        if not re.fullmatch(r"\d{1,3}\s*", status):
            raise ChannelClosed("the connection to the phone broke in the middle of a command")
        return int(status), printed

    def push(self, path: Path, to: str) -> None:
        """Copy a local file to the path `to`. Raises `InputError`, `ChannelClosed`, or `DeviceError` if it is refused.

        Not adbutils' own push: under a timeout that may leave out part of the file.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            message = f"cannot read {path}: {error.strerror or error}"
            raise InputError(message, code="model.unreadable", path=str(path)) from None
        target = f"{to},{stat.S_IFREG | 0o644}".encode()
        connection = self._service("sync:")
        try:
            send = connection.conn.sendall
            send(b"SEND" + struct.pack("<I", len(target)) + target)
            for start in range(0, len(data), CHUNK):
                part = data[start : start + CHUNK]
                send(b"DATA" + struct.pack("<I", len(part)) + part)
            send(b"DONE" + struct.pack("<I", int(time.time())))
            answer, size = struct.unpack("<4sI", connection.read_exact(8))
            if answer != b"OKAY":
                reason = connection.read_string(min(size, 200))
                raise DeviceError(f"refused the file {to}: {printable(reason)}", code="device.cannot-write", path=to)
        except (self._adb.AdbError, OSError, EOFError) as error:
            raise ChannelClosed(f"the connection to the phone broke: {printable(error)}") from None
        finally:
            connection.close()

    def _service(self, name: str) -> Any:
        """A connection to a service on the phone. Raises `ChannelClosed`."""
        connection = None
        try:
            self._require_server()
            connection = self._client.make_connection(self.timeout)
            for request in (f"host:transport:{self.serial}", name):
                connection.send_command(request)
                connection.check_okay()
        except (self._adb.AdbError, OSError, ValueError, Unreachable) as error:
            if connection is not None:
                connection.close()
            raise ChannelClosed(f"the connection to the phone broke: {printable(error)}") from None
        return connection

    def _require_server(self) -> None:
        """Raise `Unreachable` where there is no adb server: adbutils would start one, on whatever port it pleases."""
        host, port = self._server
        try:
            create_connection(self._server, self.timeout).close()
        except OSError:
            message = f"no adb server at {host}:{port}: start it with: adb start-server"
            raise Unreachable(message, code="device.no-adb-server", host=host, port=port) from None
