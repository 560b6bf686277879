"""What commands print: text for a person, or one line of JSON for a script."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 200
"""Characters of a line that is not for a terminal."""


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: dataclasses and schemas as objects, paths as text."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.model_dump() if hasattr(value, "model_dump") else str(value) if isinstance(value, Path) else value


def show(value: Any, as_json: bool, text: str) -> None:
    """Print a stage's answer: `text`, or `value` as one JSON object."""
    print(json.dumps(plain(value)) if as_json else text)


def lines(word: str, texts: Iterable[str]) -> list[str]:
    """A line for each of `texts`, with `word` before it."""
    return [f"{word}: {text}" for text in texts]


def facts(value: Mapping[str, Any]) -> str:
    """What is known of `value`, in one line."""
    known = {name: part for name, part in value.items() if part not in (None, "", (), [])}
    return ", ".join(
        f"{name} {part:.4g}" if isinstance(part, float) else f"{name} {part}" for name, part in known.items()
    )


def listing(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print one row an entry: a JSON list, or a table. Those with an `error` are lines of `name: error` under it."""
    if as_json:
        print(json.dumps([plain(dict(row)) for row in rows]))
        return
    wrong = [f"{row['name']}: {row['error']}" for row in rows if "error" in row]
    print("\n".join([table_text([row for row in rows if "error" not in row]), *wrong]))


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of `rows`, whose names are alike."""
    table = Table(*(rows[0] if rows else ()))
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))  # Text: a [ in it is not a style
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip("\n")


def _cell(value: Any) -> str:
    """`value` in few characters."""
    if value is None:
        return ""
    if isinstance(value, float) or (isinstance(value, int) and value > 10**6):
        return f"{value:.3g}"
    return str(value)
