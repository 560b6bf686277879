"""A CSV or JSON Lines file that says which image is of which class, in place of folders."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from .listing import Listing, Sample, checked, split_of

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Endings of the names of such files."""
COLUMNS = ("path", "label", "split")
SYNONYMS = {"file": "path", "filename": "path", "file_name": "path", "image": "path", "class": "label"}
NAMED = 3
"""Missing images that an error names."""


def list_labelled(path: Path) -> Listing:
    """The images that the file `path` names: rows of path and label, and perhaps of split ("train", "test" or "val").

    Paths are relative to the file's folder. A CSV file (comma, semicolon or tab) has a line of column names, or just
    the columns path,label in this order; JSON Lines has an object with these names a line. Raises `InputError` for a
    file that is none of these ("data.labels-file"), images that are missing ("data.missing-images"), an image with two
    labels ("data.two-labels"), and as `list_folder`.
    """
    rows = list(_rows(path))
    if not rows:
        raise _not_whole(path, 1, "it is empty")
    folder = path.parent
    given: dict[str, tuple[str, str]] = {}
    twice = 0
    for number, row in rows:
        name, label, split = (str(row.get(column) or "").strip() for column in COLUMNS)
        if not name or not label:
            raise _not_whole(path, number, "a path and a label are needed")
        kind = split_of(split) if split else "all"
        if kind is None:
            raise _not_whole(path, number, f"{split} is none of the splits train, test, val")
        if given.setdefault(name, (label, kind)) != (label, kind):
            before = " in ".join(given[name])
            raise InputError(f"{path}, line {number}: {name} was of {before} before, and is of {label} in {kind} now",
                             code="data.two-labels", path=name)  # fmt: skip
        twice += 1
    _require_there(path, folder, given)
    labels = tuple(sorted({label for label, _ in given.values()}))
    numbers = {label: number for number, label in enumerate(labels)}
    splits: dict[str, list[Sample]] = {}
    for name, (label, kind) in given.items():
        splits.setdefault(kind, []).append((name, numbers[label]))
    _require_splits(path, splits)
    repeated = [(path.name, f"{twice - len(given)} lines that say the same again")] if twice > len(given) else []
    return checked(Listing(folder, labels, splits, f"the list {path.name}", repeated))


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows by column, with the number of their line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}", code="file.unreadable", path=path) from None
    except UnicodeDecodeError:
        raise _not_whole(path, 1, "it is no text in UTF-8") from None
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        yield from _json_rows(path, text)
        return
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    names: list[str] | None = None
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if names is None:
            names = _canonical(cells)
            if "path" in names and "label" in names:
                continue
            names = list(COLUMNS)
        yield lines.line_num, dict(zip(names, cells, strict=False))


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise _not_whole(path, number, "it is no JSON object")
        yield number, dict(zip(_canonical(value), value.values(), strict=True))


def _canonical(names: Iterable[str]) -> list[str]:
    """Names of columns as ours."""
    return [SYNONYMS.get(name.strip().lower(), name.strip().lower()) for name in names]


def _delimiter(text: str) -> str:
    """What is between the columns: of what the first line has most."""
    first = text.lstrip().partition("\n")[0]
    return max(",;\t", key=first.count)


def _require_there(path: Path, folder: Path, names: Iterable[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        named = ", ".join(missing[:NAMED]) + (f" and {len(missing) - NAMED} others" if len(missing) > NAMED else "")
        raise InputError(f"{path} names images that are not in {folder}: {named}", code="data.missing-images",
                         path=path, missing=tuple(missing))  # fmt: skip


def _require_splits(path: Path, splits: Mapping[str, list[Sample]]) -> None:
    """Of splits there are training images and others, or none at all."""
    if "all" in splits and len(splits) > 1:
        raise _not_whole(path, 1, "some images have a split, and others none")
    if "all" not in splits and ("train" not in splits or len(splits) < 2):
        raise _not_whole(path, 1, "its splits are not train and one of test and val")


def _not_whole(path: Path, line: int, reason: str) -> InputError:
    return InputError(f"{path} is no list of labels, line {line}: {reason}", code="data.labels-file", path=path,
                      line=line)  # fmt: skip
