"""What a device is: artifact paths in, raw seconds and a `DeviceInfo` out. No statistics, and no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from pydantic import ConfigDict

from ..errors import InputError

Visit = tuple[str, int]
"""The key of a loaded model, and how many times in a row to run it."""


class DeviceError(InputError):
    """A device failed, went away, or answered what cannot be true; the message says which in one line."""


@dataclass(frozen=True)
class DeviceInfo:
    """Everything that a time measured on a device depends on, beside the model.

    `device` is the name it goes by here, `model` the processor's own. `cores` are those it is pinned to, if any.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    device: str
    model: str
    runtime: str
    version: str
    threads: int
    precision: str
    batch: int
    os: str
    cores: tuple[int, ...] = ()

    def differences(self, other: "DeviceInfo") -> list[str]:
        """What would change the times, as "field: mine, not other's". Cores are alike, so which ones does not count."""
        mine, others = asdict(self), asdict(other)
        names = [name for name in mine if name != "cores" and mine[name] != others[name]]
        return [f"{name}: {mine[name]}, not {others[name]}" for name in names]


class Device(Protocol):
    """A place where models run. A context manager: it is up between enter and exit."""

    @property
    def info(self) -> DeviceInfo:
        """What this device is; known once it is up."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def load(self, key: str, path: Path) -> None:
        """Get the model of `path` ready to run under the name `key`."""
        ...

    def unload(self, key: str) -> None:
        """Forget the model `key`."""
        ...

    def time(self, visits: Sequence[Visit]) -> list[np.ndarray]:
        """Raw seconds of every run, one float64 array for each visit, in order."""
        ...
