"""Typed configurations: Python, the command line and files say the same settings, checked once and then frozen."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import InputError
from .files import read_json

Values = Mapping[str, Any]
"""Settings by name; those of a part of the configuration are a mapping under its name."""


class Config(BaseModel):
    """The base of all configurations and of their parts. One quantity has one name, wherever it is said.

    Errors are `InputError`: "config.unknown" (fields `key`, `nearest`), "config.missing" (`key`), "config.value"
    (`key`, `value`), "config.setting" (`setting`), "config.contradiction" (`key`, `value`, `other`), "config.file"
    (`path`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, values: Values, where: object = None) -> Self:
        """The configuration of `values`, as nested as the fields are; an error names `where` they are from."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise _refusal(cls, error, where) from None

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a YAML or JSON file of one mapping."""
        return cls.parse(read_values(path), path)

    @classmethod
    def layered(cls, file: Values, options: Values, settings: Sequence[str] = ()) -> Self:
        """A command line: `options` that were given (dotted names) win over those of a `file`, and so do `settings`,
        each "name=value". An option and a setting of one name that say different things are a contradiction."""
        given = {cls.full_name(name): value for name, value in options.items()}
        for name, text in cls.read_settings(settings).items():
            if name in given and not _says(text, given[name]):
                raise InputError(
                    f"{name} is set twice, to {given[name]} by an option and to {text} by --set: say one of them",
                    code="config.contradiction", key=name, value=given[name], other=text,
                )  # fmt: skip
            given.setdefault(name, text)
        return cls.parse(merge(cls.spelled_out(file), nest(given)))

    @classmethod
    def read_settings(cls, settings: Sequence[str]) -> dict[str, str]:
        """The text of each "name=value" by its full name; one that is set twice to different things is refused."""
        found: dict[str, str] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not (equals and name.strip()):
                raise InputError(f"give a setting as NAME=VALUE, not {setting!r}", code="config.setting",
                                 setting=setting)  # fmt: skip
            name = cls.full_name(name.strip())
            if found.setdefault(name, text.strip()) != text.strip():
                raise InputError(f"{name} is set twice, to {found[name]} and to {text.strip()}: say one of them",
                                 code="config.contradiction", key=name, value=found[name],
                                 other=text.strip())  # fmt: skip
        return found

    @classmethod
    def full_name(cls, name: str) -> str:
        """The dotted name of the field that `name` means: itself, unless a configuration knows short ones."""
        return name

    @classmethod
    def spelled_out(cls, values: Values) -> Values:
        """`values`, nested as the fields are; a configuration that knows short forms takes them here."""
        return values

    def with_settings(self, settings: Sequence[str]) -> Self:
        """The same with each "name=value" of `settings` (dotted names) in place of what it says."""
        given = nest(type(self).read_settings(settings))
        kind = type(self)
        return kind.parse(merge(kind.spelled_out(self.model_dump(exclude_unset=True)), given))

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values; `parse` takes them back."""
        return self.model_dump(mode="json")


def read_values(path: str | Path) -> dict[str, Any]:
    """The mapping in the YAML or JSON file `path`. Raises `InputError` ("config.file") for anything else."""
    import yaml

    path = Path(path)
    if path.suffix.lower() == ".json":
        found = read_json(path, "configuration")
    else:
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = " ".join(str(getattr(error, "strerror", None) or error).split())
            raise InputError(f"cannot read the configuration {path}: {reason}", code="config.file",
                             path=str(path)) from None  # fmt: skip
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InputError(f"{path} is no configuration: it has to be one mapping of names to values",
                         code="config.file", path=str(path))  # fmt: skip
    return found


def nest(flat: Values) -> dict[str, Any]:
    """Dotted names as nested mappings: {"a.b": 1} is {"a": {"b": 1}}."""
    found: dict[str, Any] = {}
    for name, value in flat.items():
        found = merge(found, _nested(name.split("."), value))
    return found


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    return {path[0]: value if len(path) == 1 else _nested(path[1:], value)}


def merge(lower: Values, upper: Values) -> dict[str, Any]:
    """Both, nested mappings name by name; what `upper` says wins."""
    found = dict(lower)
    for name, value in upper.items():
        below = found.get(name)
        found[name] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return found


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The one of `names` that `name` most likely means, if any: one that ends in it, or is spelled much like it."""
    last = name.rsplit(".", 1)[-1]
    ends = [one for one in names if one.rsplit(".", 1)[-1] == last]
    close = get_close_matches(name, names, 1, 0.6) or get_close_matches(last, [n.rsplit(".", 1)[-1] for n in names], 1)
    by_last = {one.rsplit(".", 1)[-1]: one for one in reversed(names)}
    return ends[0] if ends else by_last.get(close[0], close[0]) if close else None


def field_names(kind: type[BaseModel]) -> Iterator[str]:
    """The dotted name of every setting of the configuration `kind`, those of its parts included."""
    for name, field in kind.model_fields.items():
        parts = list(_models(field.annotation))
        if not parts:
            yield name
        for part in parts:
            yield from (f"{name}.{inner}" for inner in field_names(part))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that `annotation` names, in any container."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _says(text: str, value: Any) -> bool:
    """Whether `text`, of a setting, is `value`, of an option."""
    if str(value) == text or str(value).lower() == text.lower():
        return True
    try:
        return float(text) == float(value)
    except (TypeError, ValueError):
        return False


def _refusal(kind: type[Config], error: ValidationError, where: object) -> InputError:
    """The first complaint of pydantic in one line."""
    first = error.errors()[0]
    if isinstance(caught := first.get("ctx", {}).get("error"), InputError):  # raised by a validator of ours
        return caught
    names = list(field_names(kind))
    key = _key(first["loc"], names) or "configuration"
    place = "" if where is None else f"{where}: "
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        meant = nearest(key, names)
        advice = f"the nearest is {meant}" if meant else f"there are {', '.join(names)}"
        return InputError(f"{place}there is no setting {key}: {advice}", code="config.unknown", key=key, nearest=meant)
    if first["type"] == "missing":
        return InputError(f"{place}{key} is not given: say it by its option, in the file, or as --set {key}=VALUE",
                          code="config.missing", key=key)  # fmt: skip
    reason = first["msg"].removeprefix("Value error, ")
    return InputError(f"{place}{key} is {first['input']!r}: {reason[0].lower()}{reason[1:]}", code="config.value",
                      key=key, value=first["input"])  # fmt: skip


def _key(location: Sequence[int | str], names: Sequence[str]) -> str:
    """The dotted name of a place in a configuration: without the index of an entry, and the kind of one of a union."""
    parts = [part for part in location if isinstance(part, str)]
    if ".".join(parts) in names or len(parts) < 3:
        return ".".join(parts)
    without = [".".join(parts[:i] + parts[i + 1 :]) for i in range(1, len(parts) - 1)]
    return next((name for name in without if name in names), without[0] if _tagged(location) else ".".join(parts))


def _tagged(location: Sequence[int | str]) -> bool:
    """Whether an entry of a list comes before its kind, as in ("limits", 0, "latency", "table")."""
    return any(isinstance(part, int) for part in location)
