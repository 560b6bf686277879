"""Where a model runs: an artifact in, raw seconds out. One file per runtime or transport; no torch."""

from importlib import import_module

from ..errors import InputError
from .base import Device

DEVICES = {"cpu": "cpu:LocalCpu"}
"""Every device by name, as module:class of this package."""


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(DEVICES)


def get(name: str, threads: int = 1) -> Device:
    """The device `name`, not yet started. Raises `InputError` for no such device or no threads."""
    if name not in DEVICES:
        raise InputError(f"no device {name!r}: there are {', '.join(DEVICES)}")
    if threads < 1:
        raise InputError(f"a device needs at least 1 thread, not {threads}")
    module, kind = DEVICES[name].split(":")
    return getattr(import_module(f".{module}", __package__), kind)(threads)
