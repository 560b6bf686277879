"""The ways in which hwnas says no: each reaches the user as one line, never as a traceback.

Every error has a `code`, which stays the same when the words of its message change: programs and tests look at that.
A code is `room.what`, such as "space.unknown". `fields` are the values that the message names.
"""

from collections.abc import Callable
from typing import Any


class HwnasError(Exception):
    """The base of all errors of hwnas; `code` is its class's own unless one is given.

    `exit_code` is that of a command which it ends.
    """

    code: str = "error"
    exit_code: int = 2

    def __init__(self, message: str, *, code: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.fields = fields

    def __reduce__(self) -> tuple[Callable[..., "HwnasError"], tuple[Any, ...]]:
        """Code and fields survive the way from a worker process."""
        return _restore, (type(self), str(self), self.code, self.fields)


def _restore(kind: type[HwnasError], message: str, code: str, fields: dict[str, Any]) -> HwnasError:
    return kind(message, code=code, **fields)


class InputError(HwnasError, ValueError):
    """The user's input is wrong; the message names what is wrong and what to do. Exit code 2."""

    code = "input"


class DeviceError(InputError):
    """A device failed, went away, or answered what cannot be true. Exit code 2."""

    code = "device"


class DivergedError(InputError):
    """A loss, a score or weights are no longer numbers. Exit code 2."""

    code = "diverged"


class RankError(InputError):
    """Processes of one distributed run disagree, or lost touch. Exit code 2."""

    code = "ranks"


class VerificationError(HwnasError, RuntimeError):
    """A claim that a bundle makes does not hold; the message names the first one. Exit code 1."""

    code = "verification"
    exit_code = 1
