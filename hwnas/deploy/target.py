"""What the search of a network aimed at, which its bundle can claim on the same device."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, ConfigDict, Field, TypeAdapter

from ..devices.base import DeviceInfo
from ..errors import InputError
from ..files import parse, read_json
from ..space.registry import SpaceIdentity
from ..training.run import SEARCH


@dataclass(frozen=True)
class Target:
    """The latency asked for and the one predicted, both in ms where the reference network takes `reference_seconds`.

    All are of `device` and hold on no other; where that is not known they are taken to be of the one measured on.
    A device without a reference time is one of published latencies, with which no measurement compares.
    """

    __pydantic_config__ = ConfigDict(extra="ignore")  # search.json holds more

    latency_ms: Annotated[float | None, Field(validation_alias=AliasChoices("latency_ms", "budget_ms"))] = None
    predicted_ms: float | None = None
    reference_seconds: Annotated[float | None, Field(validation_alias=AliasChoices("reference_seconds", "pace"))] = None
    device: DeviceInfo | None = None

    def on(self, device: str | None) -> "Target":
        """The part of it that can be claimed on `device`: of published latencies nothing.

        Raises `InputError` ("export.device-needed") if there is nothing to claim and `device` is not named either.
        """
        if self.device is None or self.reference_seconds is not None:
            return self
        if device is None:
            raise InputError(
                f"the latency was asked for on {self.device.device}, whose latencies are published and not measured "
                "here: name a device to measure on (--device), and the bundle claims that measurement alone",
                code="export.device-needed",
                device=self.device.device,
            )
        return Target()

    def require_same_device(self, info: DeviceInfo) -> None:
        """Raise `InputError` ("export.other-device") where `info` is of another device, where this says nothing."""
        if self.device is not None and (differences := "; ".join(info.differences(self.device))):
            raise InputError(
                f"the search was for another device ({differences}): give the same one, or profile and search again",
                code="export.other-device",
                device=self.device.device,
                differences=differences,
            )


_TARGET = TypeAdapter(Target)


def read_space(run: Path) -> SpaceIdentity | None:
    """The space of the search.json in the folder `run`; None where there is none, or it does not tell."""
    value = read_json(run / SEARCH, "search record") if (run / SEARCH).exists() else {}
    names = ("space", "classes", "fingerprint")
    if not isinstance(value, dict) or not all(value.get(name) for name in names):
        return None
    return SpaceIdentity(*(value[name] for name in names))


def read_target(run: Path) -> Target:
    """What the search.json (of schema 3 or 4) in the folder `run` aimed at; nothing where there is none."""
    path = run / SEARCH
    return parse(_TARGET, read_json(path, "search record"), path) if path.exists() else Target()
