"""How a runner is reached: lines to it and back, and files to where it is. One implementation for each transport."""

from pathlib import Path
from typing import Protocol


class ChannelClosed(Exception):  # noqa: N818  not an error where the channel can be opened again
    """The runner ended or the connection broke; the message is its last words, one line."""


class Channel(Protocol):
    """A conversation with one runner. Nothing here interprets a line: that is `RunnerDevice`'s."""

    resumable: bool
    """Whether a broken conversation may be begun again with `open`: true of a network, false of a process here."""

    def open(self) -> None:
        """Start the runner. Raises `DeviceError` naming why it cannot be reached; after a break, begins afresh."""
        ...

    def send(self, line: str) -> None:
        """Send one line. Raises `ChannelClosed`."""
        ...

    def receive(self, timeout: float) -> str:
        """The next line, with its end. Raises `ChannelClosed`, or `TimeoutError` after `timeout` seconds."""
        ...

    def put(self, path: Path) -> str:
        """Bring a local file to the device; its path there. Raises `ChannelClosed` or `DeviceError`."""
        ...

    def close(self) -> None:
        """End the runner and clean up after it. Never raises for a runner that has ended already."""
        ...
