"""Files that are either whole or absent: atomic writes, and readers that say in one line what is wrong."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from .errors import InputError

T = TypeVar("T")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, moved over `path` on success and removed on any failure.

    The file has the mode that the umask leaves. Raises `InputError` ("file.not-written") where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)  # not by tempfile, which makes files that nobody else may read
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise `InputError` ("file.not-written") where the body cannot write `path`: on a full disk, for example."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {path}: {reason}", code="file.not-written", path=path) from None


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` atomically as indented JSON with a final newline."""
    write_bytes(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """What `write_json` writes."""
    return (json.dumps(value, indent=1) + "\n").encode()


def read_json(path: Path, what: str) -> Any:
    """The JSON value in `path`, with or without a byte order mark, in UTF-8 or in the UTF-16 that Windows writes.

    Raises `InputError` naming `what` was expected there.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        message = f"cannot read {what} {path}: {error.strerror or error}"
        raise InputError(message, code="file.unreadable", path=path, what=what) from None
    except (ValueError, RecursionError) as error:  # no text, no JSON, or nested too deep
        raise InputError(
            f"{path} is not a whole {what}: {error}", code="file.not-whole", path=path, what=what
        ) from None


def versioned(value: Any, schema: int, where: object, what: str, advice: str = "") -> dict[str, Any]:
    """The fields of `value` but for its "schema". Raises `InputError` where that is not `schema`: `where` is no `what`
    of it, and what to do is `advice`."""
    if not isinstance(value, dict) or value.get("schema") != schema:
        message = f"{where} is not a {what} of schema {schema}{advice and ': '}{advice}"
        raise InputError(message, code="file.other-schema", where=where, what=what, schema=schema)
    return {name: part for name, part in value.items() if name != "schema"}


def parse(adapter: TypeAdapter[T], value: Any, where: object) -> T:
    """`value` checked against a pydantic schema. Raises `InputError` with the first thing that does not fit."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "top level"
        cause = first.get("ctx", {}).get("error")  # what a check of ours raised
        code, fields = (cause.code, cause.fields) if isinstance(cause, InputError) else ("file.field", {"field": place})
        raise InputError(f"{where}: {place}: {complaint(first)}", code=code, **{"where": where, **fields}) from None


def complaint(error: ErrorDetails) -> str:
    """What pydantic says is wrong, with the value where it is one that a line can hold."""
    value = error["input"]
    named = error["type"] in ("missing", "value_error", "extra_forbidden", "unexpected_keyword_argument")
    if named or isinstance(value, dict | list | tuple) or len(repr(value)) > 80:
        return error["msg"].removeprefix("Value error, ")
    return f"{error['msg']}, not {value!r}"


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def require_empty(folder: Path) -> None:
    """Raise `InputError` where `folder` exists and holds anything, so that nothing is overwritten, or where nothing
    can be written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} exists and is not empty: name another folder or remove it first"
        raise InputError(message, code="folder.not-empty", folder=folder)
    require_writable(folder)


def require_writable(folder: Path) -> None:
    """Raise `InputError` ("folder.not-writable") where nothing can be written into `folder`, which need not exist yet,
    so that this is known before the work and not after it."""
    way = (folder.absolute(), *folder.absolute().parents)
    for path in way:
        if path.is_symlink() and not path.exists():
            message = f"cannot write into {folder}: {path} is a link to nothing"
            raise InputError(message, code="folder.not-writable", folder=folder, nearest=path)
    nearest = next(path for path in way if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        message = f"cannot write into {folder}: {nearest} is not a folder to write into"
        raise InputError(message, code="folder.not-writable", folder=folder, nearest=nearest)
