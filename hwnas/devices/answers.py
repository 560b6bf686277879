"""What a runner may answer. Nothing of it is believed: what cannot be true raises a `DeviceError` that names `who`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from ..errors import DeviceError, InputError
from ..files import parse
from .base import Breakdown, DeviceInfo, DeviceState, Visit

WORDS = 400
"""The most characters of a device's own words that are repeated to the user, or kept in a table."""

LARGEST = 2.0**63
"""What no number that a device tells of itself comes near."""

T = TypeVar("T")

INFO, STATE, BREAKDOWN = TypeAdapter(DeviceInfo), TypeAdapter(DeviceState), TypeAdapter(Breakdown)


def told(line: str) -> dict[str, Any]:
    """The one JSON object of a line."""
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict):
        raise DeviceError(f"answered something other than a JSON object: {plain(line)[:80]}")
    return reply


def plain(words: object) -> str:
    """A device's words as one printable line that is not too long."""
    text = " ".join(str(words).split())
    return "".join(letter if letter.isprintable() else "?" for letter in text[:WORDS])


def facts(adapter: TypeAdapter[T], said: Any, who: object) -> T:
    """`said` as the dataclass of `adapter`: every number from 0 to `LARGEST`, every text a printable line."""
    try:
        found = parse(adapter, said, who)
    except InputError as error:
        raise DeviceError(plain(error)) from None  # it repeats the names of fields, which may be anything
    for value in _leaves(asdict(found)):
        if isinstance(value, str) and not (len(value) <= WORDS and value.isprintable()):
            raise DeviceError(f"{who} answered a text that is no plain line: {plain(value)[:80]!r}")
        if isinstance(value, (int, float)) and not 0 <= value < LARGEST:  # nan is not either
            raise DeviceError(f"{who} answered {plain(value)[:80]}, which is no number that it can be")
    return found


def seconds(said: Any, visits: Sequence[Visit], who: object) -> list[np.ndarray]:
    """The times of `visits`: for each one as many as asked for, all positive."""
    if not isinstance(said, list) or len(said) != len(visits):
        raise DeviceError(f"{who} did not answer {len(visits)} visits with as many lists of times")
    return [_times(times, key, repeats, who) for (key, repeats), times in zip(visits, said, strict=True)]


def _times(said: Any, key: str, repeats: int, who: object) -> np.ndarray:
    if not isinstance(said, list) or not all(type(time) in (int, float) for time in said):
        raise DeviceError(f"{who} answered {key} with something other than times")
    if len(said) != repeats:
        raise DeviceError(f"{who} was asked for {repeats} times of {key}, answered {len(said)}")
    if not all(0 < time < LARGEST for time in said):
        raise DeviceError(f"{who} answered {key} with a time that is no positive number")
    return np.array(said, dtype=np.float64)


def _leaves(value: Any) -> Iterator[Any]:
    """Everything in nested dicts and lists that is neither."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        yield value
        return
    for part in value:
        yield from _leaves(part)
