"""How a runner is reached: lines to it and back, and files to where it is. One implementation for each transport."""

from pathlib import Path
from typing import Protocol

from ..errors import DeviceError
from .answers import printable

LINE = 16 * 2**20
"""The most bytes that a line may have: a runner that never ends one must not fill the memory here."""


class ChannelClosed(Exception):  # noqa: N818  not an error where the channel can be opened again
    """The runner ended or the connection broke; the message is its last words, one line."""


class Unreachable(DeviceError):  # noqa: N818  as above
    """A device that does not answer now, but may a little later."""

    code = "device.unreachable"


class Channel(Protocol):
    """A conversation with one runner. Nothing here interprets a line: that is `RunnerDevice`'s.

    Errors do not name the device: `RunnerDevice` puts its name before them.
    """

    resumable: bool
    """Whether a broken conversation may be begun again with `open`: true of a network, false of a process here."""

    def open(self) -> None:
        """Start the runner. Raises `DeviceError` naming why it cannot be reached, `Unreachable` where another try may
        succeed; after a break, begins afresh."""
        ...

    def send(self, line: str) -> None:
        """Send one line. Raises `ChannelClosed`."""
        ...

    def receive(self, timeout: float) -> str:
        """The next line, with its end. Raises `ChannelClosed`, `TimeoutError` after `timeout` seconds, or `DeviceError`
        for a line that is too long (`Lines`)."""
        ...

    def put(self, path: Path) -> str:
        """Bring a local file to the device; its path there. Raises `ChannelClosed` or `DeviceError`."""
        ...

    def close(self) -> None:
        """End the runner and clean up after it. Never raises for a runner that has ended already."""
        ...


class Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._seen = 0  # bytes that are known to hold no end of a line

    def add(self, data: bytes) -> None:
        """More of the stream. Raises `DeviceError` where a line has more than `LINE` bytes."""
        self._bytes += data
        if len(self._bytes) > LINE and self._bytes.find(b"\n", 0, LINE) < 0:
            raise DeviceError(f"answered with a line of more than {LINE} bytes", code="device.answer", what="length")

    def next(self) -> str | None:
        """The next whole line with its end, or None until more is added."""
        end = self._bytes.find(b"\n", self._seen)
        if end < 0:
            self._seen = len(self._bytes)
            return None
        line, self._seen = bytes(self._bytes[: end + 1]), 0
        del self._bytes[: end + 1]
        return line.decode(errors="replace")


def last_line(text: str) -> str:
    """The last line that a program printed, which is where Python names the error; empty where it printed none."""
    return next((printable(line) for line in reversed(text.splitlines()) if line.strip()), "")
