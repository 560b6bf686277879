"""What a device is: artifact paths in, raw seconds and a `DeviceInfo` out. No statistics, and no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from pydantic import ConfigDict

Visit = tuple[str, int]
"""The key of a loaded model, and how many times in a row to run it."""


@dataclass(frozen=True)
class DeviceInfo:
    """Everything that a time measured on a device depends on, beside the model.

    `device` is the name it goes by here, `model` the processor's own. `cores` are those it is pinned to, if any.
    `chip` is the SoC or GPU where the model is a phone's or board's, `driver` the GPU's, `governor` how the clock is
    chosen, and `max_mhz` the clock it can reach; empty or None where the device does not tell.
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
    chip: str = ""
    driver: str = ""
    governor: str = ""
    max_mhz: float | None = None

    def differences(self, other: "DeviceInfo") -> list[str]:
        """What would change the times, as "field: mine, not other's". Cores are alike, so which ones does not count."""
        mine, others = asdict(self), asdict(other)
        names = [name for name in mine if name != "cores" and mine[name] != others[name]]
        return [f"{name}: {mine[name]}, not {others[name]}" for name in names]


@dataclass(frozen=True)
class DeviceState:
    """What can slow a device down while it is measured, read at one moment; None where it does not tell.

    `mhz` is the mean clock of the cores in use (or of the GPU), `celsius` the hottest sensor, `throttled` whether the
    device itself says that heat or power holds its clock back.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    mhz: float | None = None
    celsius: float | None = None
    throttled: bool | None = None


@dataclass(frozen=True)
class Operator:
    """One node of a loaded model: its name and type in the runtime, and the mean seconds that one run spends in it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    type: str
    seconds: float


@dataclass(frozen=True)
class Breakdown:
    """Where the time and the memory of a model go: its operators in order of execution, and `peak_bytes`, the most
    memory that loading and running it adds to what a runner held that had run nothing (None where the device does not
    tell). On a CPU that includes what the runtime takes at its first use: about 20 MB for onnxruntime."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    operators: tuple[Operator, ...]
    peak_bytes: int | None = None


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

    def state(self) -> DeviceState:
        """How the device is now."""
        ...

    def breakdown(self, path: Path, repeats: int = 10) -> Breakdown:
        """Where the time of the model of `path` goes over `repeats` runs. `InputError` where the device cannot tell."""
        ...
