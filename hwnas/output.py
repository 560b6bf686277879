"""What commands print: text for a person, or one line of JSON for a script."""

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: dataclasses and schemas as objects, paths as text."""
    if is_dataclass(value):
        value = asdict(value)
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.model_dump() if hasattr(value, "model_dump") else str(value) if isinstance(value, Path) else value


def show(value: Any, as_json: bool, text: str) -> None:
    """Print a stage's answer: `text`, or `value` as one JSON object."""
    print(json.dumps(plain(value)) if as_json else text)


def listing(rows: list[dict[str, Any]], as_json: bool) -> None:
    """One row an entry: a JSON list, or a table."""
    if as_json:
        print(json.dumps(plain(rows)))
        return
    table = Table(*max(rows, key=len))
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, int) and value > 10**6 else str(value)
                        for value in row.values()))  # fmt: skip
    Console().print(table)
