"""What is wrong with a published `net.config`: the file, the key and the value, in one line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..errors import InputError

T = TypeVar("T")
Place = Sequence[int | str]

JSON = {"True": "true", "False": "false", "None": "null"}
"""Values as the file has them."""
LONGEST = 60
"""Characters of a value that are told."""


def parse_config(adapter: TypeAdapter[T], value: Any, where: object) -> T:
    """`value` checked against the schema of a configuration.

    Raises `InputError` ("file.field", with `where` and the dotted key `field`) for the first thing that is wrong.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place: list[int | str] = list(_without_kinds(first["loc"], value))
        if "discriminator" in first.get("ctx", {}):
            place.append(str(first["ctx"]["discriminator"]).strip("'"))
        key = ".".join(map(str, place))
        reason = _reason(first["type"], first.get("ctx", {}), _value_at(place, value), key or "the whole")
        raise InputError(f"{where}: {reason}", code="file.field", where=where, field=key) from None


def _without_kinds(place: Place, value: Any) -> Iterator[int | str]:
    """`place` without the names that pydantic adds for the kind of a layer, which are no keys of the file."""
    for index, part in enumerate(place):
        last = index == len(place) - 1
        if isinstance(value, Mapping):
            if part not in value and not last:
                continue
            if part not in value and str(part) == value.get("name"):
                continue
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        yield part


def _value_at(place: Place, value: Any) -> Any:
    """What stands at `place`; None where there is nothing."""
    for part in place:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
    return value


def _reason(kind: str, context: Mapping[str, Any], value: Any, key: str) -> str:
    """The complaint of this `kind` of pydantic's, in our words."""
    text = json.dumps(value)
    given = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    match kind:
        case "missing" | "union_tag_not_found":
            return f"{key} is missing"
        case "literal_error":
            only = JSON.get(context["expected"], context["expected"])
            return f"{key} is {given}, and only {only} can be read: hwnas has no such layer"
        case "union_tag_invalid":
            return f"{key} is {given}, and only {context['expected_tags']} can be read"
        case "none_required":
            return f"{key} is {given}, and only null can be read"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"{key} is {given}, and has to be a whole number"
        case "float_type" | "float_parsing" | "finite_number":
            return f"{key} is {given}, and has to be a number"
        case "bool_type" | "bool_parsing":
            return f"{key} is {given}, and has to be true or false"
        case "list_type":
            return f"{key} is {given}, and has to be a list"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{key} is {given}, and has to be a mapping of names to values"
        case "greater_than_equal" | "greater_than" | "less_than" | "less_than_equal":
            words = {"ge": "at least", "gt": "above", "lt": "below", "le": "at most"}
            (bound,) = (f"{words[name]} {limit:g}" for name, limit in context.items() if name in words)
            return f"{key} is {given}, and has to be {bound}"
        case _:
            return f"{key} is {given}, which is no such value"
