"""Validate every answer of a runner: raise `DeviceError`, naming `who` answered, for what cannot be true."""

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
"""The most characters of a device's own words that are kept in a table."""

FIRST, LAST = 200, 600
"""Of its longer words these many are repeated to the user: what it is about stands first, and the reason last."""

LARGEST = 2.0**63
"""What no number that a device tells of itself comes near."""

T = TypeVar("T", DeviceInfo, DeviceState, Breakdown)

INFO: TypeAdapter[DeviceInfo] = TypeAdapter(DeviceInfo)
STATE: TypeAdapter[DeviceState] = TypeAdapter(DeviceState)
BREAKDOWN: TypeAdapter[Breakdown] = TypeAdapter(Breakdown)


def parse_object(line: str) -> dict[str, Any]:
    """The one JSON object of a line. Raises `DeviceError` for anything else."""
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict):
        raise _wrong(f"answered something other than a JSON object: {printable(line)[:80]}", "no-json")
    return reply


def printable(words: object) -> str:
    """A device's words as one printable line that is not too long: of more, the beginning and the end."""
    text = " ".join(str(words).split())
    if len(text) > FIRST + LAST:
        text = f"{text[:FIRST]} [...] {text[-LAST:]}"
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def validate(adapter: TypeAdapter[T], answer: Any, who: object) -> T:
    """`answer` as the dataclass of `adapter`: every number from 0 to `LARGEST`, every text a printable line."""
    try:
        found = parse(adapter, answer, who)
    except InputError as error:
        raise _wrong(printable(error), "fields") from None  # it repeats the names of fields, which may be anything
    for value in _leaves(asdict(found)):
        if isinstance(value, str) and not (len(value) <= WORDS and value.isprintable()):
            raise _wrong(f"{who} answered a text that is no plain line: {printable(value)[:80]!r}", "text")
        if isinstance(value, (int, float)) and not 0 <= value < LARGEST:  # nan is not either
            raise _wrong(f"{who} answered {printable(value)[:80]}, which is no number that it can be", "number")
    return found


def validate_times(answer: Any, visits: Sequence[Visit], who: object) -> list[np.ndarray]:
    """The seconds of `visits`: for each one as many as asked for, all positive."""
    if not isinstance(answer, list) or len(answer) != len(visits):
        raise _wrong(f"{who} did not answer {len(visits)} visits with as many lists of times", "visits")
    return [_one_visit(times, key, repeats, who) for (key, repeats), times in zip(visits, answer, strict=True)]


def _one_visit(times: Any, key: str, repeats: int, who: object) -> np.ndarray:
    if not isinstance(times, list) or not all(type(time) in (int, float) for time in times):
        raise _wrong(f"{who} answered {key} with something other than times", "times")
    if len(times) != repeats:
        raise _wrong(f"{who} was asked for {repeats} times of {key}, answered {len(times)}", "count")
    if not all(0 < time < LARGEST for time in times):
        raise _wrong(f"{who} answered {key} with a time that is no positive number", "times")
    return np.array(times, dtype=np.float64)


def _wrong(message: str, what: str) -> DeviceError:
    """The error for an answer in which `what` cannot be true."""
    return DeviceError(message, code="device.answer", what=what)


def _leaves(value: Any) -> Iterator[Any]:
    """Everything in nested dicts and lists that is neither."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        yield value
        return
    for part in value:
        yield from _leaves(part)
