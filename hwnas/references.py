"""Parts by reference: a space, strategy, objective, evaluator, runtime or recipe by its name or by where it is.

A reference is a built-in name, the name of an entry point that an installed package declares (in the group
`hwnas.spaces` and so on), `package.module:attribute`, or `file.py:attribute`. Built-in names win over entry points.

One that the caller gives is resolved (`trusted=True`). One that was read from a file is data: it is resolved only if it
is built in, an installed entry point, or repeated on this call (`allow`): no code runs because a file names it. Objects
of a file's classes cannot be unpickled in another process: send the reference there.
"""

import difflib
import importlib
import importlib.util
import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar, cast

from .errors import InputError

T = TypeVar("T")
Group = Literal["spaces", "strategies", "objectives", "evaluators", "runtimes", "recipes"]
Kind = Literal["built-in", "entry point", "module", "file"]

NOUNS: dict[Group, str] = {
    "spaces": "search space",
    "strategies": "strategy",
    "objectives": "objective",
    "evaluators": "evaluator",
    "runtimes": "runtime",
    "recipes": "recipe",
}
"""The groups of parts, and what one part of each is called. The entry points of a group are of `hwnas.GROUP`."""

_allowed: ContextVar[frozenset[str]] = ContextVar("allowed references", default=frozenset())


@dataclass(frozen=True)
class Resolved(Generic[T]):
    """What a reference stands for: the part, the reference as a file stores it, and which kind of reference it is."""

    value: T
    reference: str
    kind: Kind


def resolve(
    group: Group,
    reference: str,
    builtin: Mapping[str, T | str],
    *,
    trusted: bool,
    accepts: Callable[[object], bool] | None = None,
) -> Resolved[T]:
    """The part of `group` that `reference` stands for. A `builtin` given as a string is a lazy "module:attribute".

    `trusted`: whether the caller gave the reference; otherwise it was read from a file. `accepts` tells whether a
    value is such a part. Raises `InputError`, whose code is "reference." and one of `unknown` (no such name),
    `not-allowed`, `not-found` (no such module or file), `broken` (it fails when imported), `no-such-attribute`,
    `wrong-kind` and `ambiguous` (two packages declare the name).
    """
    found, kind = _find(group, reference, builtin, trusted)
    if accepts is not None and kind != "built-in" and not accepts(found):
        message = f"{reference} is no {NOUNS[group]} but a {type(found).__name__}: docs/extending.md says what one is"
        raise _error(message, "wrong-kind", group, reference, found=type(found).__name__)
    return Resolved(cast(T, found), reference, kind)


def names(group: Group, builtin: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of `group`: those built in, then those of installed entry points."""
    installed = _scan(group, tuple(sys.path))
    for name in set(installed) & set(builtin):
        _say_built_in_wins(group, name, installed[name][0].value)
    return (*builtin, *(name for name in installed if name not in builtin))


@contextmanager
def allow(*references: str) -> Iterator[None]:
    """Resolve these references too where a file names them, as they are repeated by the caller."""
    token = _allowed.set(_allowed.get() | set(map(_normal, references)))
    try:
        yield
    finally:
        _allowed.reset(token)


def allowed() -> frozenset[str]:
    """What the caller has repeated, for the `allow` of a process that works for this one."""
    return _allowed.get()


def require_allowed(group: Group, reference: str) -> None:
    """Raise `InputError` unless the caller has repeated this reference, which was read from a file."""
    if _normal(reference) not in _allowed.get():
        options = {"spaces": ["--space"], "strategies": ["--strategy"]}.get(group, [])
        ways = " or ".join(f"{way} {reference}" for way in (*options, "--allow"))
        message = f"the {NOUNS[group]} {reference} is named by a file, which runs no code: repeat it with {ways}"
        raise _error(message, "not-allowed", group, reference)


@contextmanager
def reported(group: Group, reference: str) -> Iterator[None]:
    """Name the reference in an `InputError` that its code raises, and turn any other error into "reference.broken"."""
    try:
        yield
    except InputError as error:
        message = f"the {NOUNS[group]} {reference}: {error}"
        raise type(error)(message, code=error.code, **error.fields) from error
    except Exception as error:
        raise _broken(group, reference, error) from error


def load_file(path: Path) -> ModuleType:
    """The module of a file: run once for each state of the file, under a private name. Raises what the file raises."""
    path, status = path.resolve(), path.stat()
    name = f"_hwnas_{path.stem}_{sha256(f'{path} {status.st_mtime_ns} {status.st_size}'.encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it runs
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _find(group: Group, reference: str, builtin: Mapping[str, object], trusted: bool) -> tuple[object, Kind]:
    installed = _scan(group, tuple(sys.path))
    if reference in builtin:
        if reference in installed:
            _say_built_in_wins(group, reference, installed[reference][0].value)
        return _built_in(builtin[reference]), "built-in"
    if reference in installed:
        points = installed[reference]
        if len(points) > 1:
            values = ", ".join(point.value for point in points)
            raise _error(f"more than one package declares {reference!r}: {values}", "ambiguous", group, reference)
        return _attribute(group, reference, points[0].module, points[0].attr), "entry point"
    place, colon, attribute = reference.rpartition(":")
    is_file = reference.endswith(".py") or place.endswith(".py")
    if not (is_file or (place and attribute)):
        raise _unknown(group, reference, names(group, builtin))
    if not colon or not attribute.replace(".", "_").isidentifier():
        message = f"{reference} does not say which {NOUNS[group]} of the file: write file.py:attribute"
        raise _error(message, "no-such-attribute", group, reference)
    if not trusted:
        require_allowed(group, reference)
    return _attribute(group, reference, place, attribute), "file" if is_file else "module"


def _built_in(found: object) -> object:
    """The part itself, imported where it is lazy."""
    if not isinstance(found, str):
        return found
    module, attribute = found.split(":")
    return getattr(importlib.import_module(module), attribute)


def _attribute(group: Group, reference: str, place: str, attribute: str) -> object:
    """The attribute, by a dotted path, of a module or of a file that ends with .py."""
    is_file = place.endswith(".py")
    try:
        module = load_file(Path(place)) if is_file else importlib.import_module(place)
    except FileNotFoundError as error:
        if not is_file or Path(place).exists():
            raise _broken(group, reference, error) from error
        message = f"there is no file {place} for the {NOUNS[group]} {reference}: paths are from the current folder"
        raise _error(message, "not-found", group, reference) from error
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{place}.".startswith(f"{error.name}."):
            message = f"there is no module {place} for the {NOUNS[group]} {reference}: is it installed?"
            raise _error(message, "not-found", group, reference) from error
        raise _broken(group, reference, error) from error
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        public = [name for name in vars(module) if not name.startswith("_")]
        message = f"{place} has no {attribute}, as {reference} says{nearest_text(attribute, public)}"
        raise _error(message, "no-such-attribute", group, reference) from None


def _unknown(group: Group, reference: str, known: tuple[str, ...]) -> InputError:
    listed = f"there are {', '.join(known) or 'none'}; or write file.py:attribute"
    message = f"no {NOUNS[group]} {reference!r}{nearest_text(reference, known)}: {listed}"
    return _error(message, "unknown", group, reference, known=known, nearest=nearest(reference, known))


def _broken(group: Group, reference: str, error: BaseException) -> InputError:
    """The error of a stranger's code in one line: its type, its text, and where it happened."""
    text = " ".join(str(error).split())
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    where = (frames[-1].filename, frames[-1].lineno) if frames else ("", None)
    if isinstance(error, SyntaxError):
        text, where = error.msg, (error.filename or "", error.lineno)
    at = f" (line {where[1]} of {where[0]})" if where[1] else ""
    message = f"the {NOUNS[group]} {reference} fails: {type(error).__name__}: {text}{at}"
    return _error(message, "broken", group, reference, error=type(error).__name__, line=where[1])


def _error(message: str, code: str, group: Group, reference: str, **fields: object) -> InputError:
    return InputError(message, code=f"reference.{code}", group=group, reference=reference, **fields)


def nearest(word: str, known: Any) -> str | None:
    """The one of `known` that is most like `word`; None where none is much like it."""
    return next(iter(difflib.get_close_matches(word, list(known), 1)), None)


def nearest_text(word: str, known: Any) -> str:
    """What an error adds to the `word` that there is not; nothing where none of `known` is much like it."""
    return f" (did you mean {close}?)" if (close := nearest(word, known)) else ""


def _normal(reference: str) -> str:
    place, _, attribute = reference.rpartition(":")
    if place.endswith(".py"):
        return f"{Path(place).resolve()}:{attribute}"  # one file has one reference, however its path is written
    return str(Path(reference).resolve()) if reference.endswith((".yaml", ".yml")) else reference


@lru_cache(maxsize=64)
def _scan(group: Group, path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    """The entry points of a group by name, of the packages on `path`, which is `sys.path`."""
    found: dict[str, list[EntryPoint]] = {}
    for point in dict.fromkeys(entry_points(group=f"hwnas.{group}")):
        found.setdefault(point.name, []).append(point)
    return found


@lru_cache
def _say_built_in_wins(group: Group, name: str, value: str) -> None:
    """Log once that an installed package's name is taken."""
    text = "the %s %r of an installed package has the name of a built-in one, which is used: write %s for the other"
    logging.getLogger(__name__).warning(text, NOUNS[group], name, value)
