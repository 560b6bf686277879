"""What a runner may answer. Nothing of it is believed: what cannot be true raises a `DeviceError` that names `who`."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from ..errors import InputError
from ..files import parse
from .base import Breakdown, DeviceError, DeviceInfo, DeviceState, Visit

WORDS = 400
"""The most characters of a device's own words that are repeated to the user, or kept in a table."""

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
    """`said` as the dataclass of `adapter`: every number finite and not negative, every text a printable line."""
    try:
        found = parse(adapter, said, who)
    except InputError as error:
        raise DeviceError(str(error)) from None
    for value in _leaves(asdict(found)):
        if isinstance(value, str) and not (len(value) <= WORDS and value.isprintable()):
            raise DeviceError(f"{who} answered a text that is no plain line: {plain(value)[:80]!r}")
        if isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
            raise DeviceError(f"{who} answered {value}, which is no positive number or 0")
    return found


def seconds(said: Any, visits: Sequence[Visit], who: object) -> list[np.ndarray]:
    """The times of `visits`: for each one as many as asked for, all positive."""
    if not isinstance(said, list) or len(said) != len(visits):
        raise DeviceError(f"{who} did not answer {len(visits)} visits with as many lists of times")
    return [_times(times, key, repeats, who) for (key, repeats), times in zip(visits, said, strict=True)]


def _times(said: Any, key: str, repeats: int, who: object) -> np.ndarray:
    try:
        times = np.asarray(said, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DeviceError(f"{who} answered {key} with something other than times") from None
    if times.shape != (repeats,):
        raise DeviceError(f"{who} was asked for {repeats} times of {key}, answered {times.size}")
    if not (np.isfinite(times) & (times > 0)).all():
        raise DeviceError(f"{who} answered {key} with a time that is no positive number")
    return times


def _leaves(value: Any) -> Iterator[Any]:
    """Everything in nested dicts and lists that is neither."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        yield value
        return
    for part in value:
        yield from _leaves(part)
