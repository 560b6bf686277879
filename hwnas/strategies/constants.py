"""Constants of a strategy or an objective: frozen models with types, ranges, and the source of each in its description.

    class MineConstants(Constants):
        rate: float = Field(default=0.1, ge=0, le=1, description="share of slots that change; §3 of the paper")

`MineConstants.parse({"rate": 0.2})` makes one. What cannot be is refused in one line that names the constant.
"""

from collections.abc import Mapping
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ..errors import InputError
from ..references import nearest

WORDS: dict[object, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
BOUNDS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}


class Constants(BaseModel):
    """The base of all constants; a model without fields says that there are none.

    Where a published constant makes no sense within a small budget its default is 0, meaning one that scales with the
    budget; its description says how.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any], owner: str = "") -> Self:
        """Constants with `values` in place of defaults; text is read as the type of its constant.

        `owner` is whose constants they are, for the message. Raises `InputError` with code "constants.unknown" or
        "constants.out-of-range".
        """
        for name, value in values.items():
            if name not in cls.model_fields:
                raise unknown_constant(name, value, list(cls.model_fields), owner)
        try:
            return cls.model_validate({name: _read(cls.model_fields[name], value) for name, value in values.items()})
        except ValidationError as error:
            first = error.errors()[0]
            if isinstance(cause := first.get("ctx", {}).get("error"), InputError):  # of a validator of several fields
                raise cause from None
            name = str(first["loc"][0])
            raise out_of_range(name, values[name], describe_range(cls.model_fields[name]), owner) from None


def unknown_constant(name: str, value: object, known: list[str], owner: str = "") -> InputError:
    """The error for a constant that there is not, with the nearest name that there is."""
    close = nearest(name, known)
    guess = f" (did you mean {close}?)" if close else ""
    there = f"there are {', '.join(known)}" if known else "there are none"
    message = f"{owner or 'this'} has no constant {name!r}{guess}: {there}"
    return InputError(message, code="constants.unknown", name=name, value=value, nearest=close)


def out_of_range(name: str, value: object, allowed: str, owner: str = "") -> InputError:
    """The error for a constant of another type or range than `allowed` says."""
    of = f" of {owner}" if owner else ""
    return InputError(f"{name}{of} is {value!r}: give {allowed}", code="constants.out-of-range", name=name, value=value)


def describe_range(field: FieldInfo) -> str:
    """What a constant may be, in words, such as "a number, at least 0, at most 1"."""
    words = list(map(str, get_args(field.annotation)))
    if words:
        return f"one of {', '.join(words)}"
    bounds = [
        text.format(f"{bound:g}")
        for name, text in BOUNDS.items()
        for part in field.metadata
        if (bound := getattr(part, name, None)) is not None
    ]
    return ", ".join([WORDS.get(field.annotation, "a value"), *bounds])


def require_budget(budget: int) -> None:
    """Raise `InputError` for a budget of no evaluation or step at all."""
    if budget < 1:
        raise InputError(f"the budget is {budget}: give at least 1", code="strategies.budget", budget=budget)


def _read(field: FieldInfo, value: Any) -> Any:
    """`value` as the type of `field` where it is text, as from a command line; the model refuses what it is not."""
    if not isinstance(value, str) or field.annotation not in (bool, int, float):
        return value
    try:
        return TypeAdapter(field.annotation).validate_strings(value)
    except ValidationError:
        return value
