"""The recipes of training: listed and shown."""

from typing import Annotated, Any

import typer

from ..output import listing, show, table_text
from .app import AsJson, called_alone, group

commands = group("recipes", "List the recipes of training, or show one with its constants.")


@commands.callback(epilog="Example: hwnas recipes --json")
def recipes(context: typer.Context, as_json: AsJson = False) -> None:
    """List the recipes that have names, and what each is for."""
    if not called_alone(context, **{"--json": as_json}):
        return
    from ..training.recipes import describe, names

    shown = ("name", "line", "epochs", "batch_size", "mirror")
    rows = [describe(name) for name in names()]
    listing(rows if as_json else [{key: row[key] for key in shown} for row in rows], as_json)


@commands.command("show", epilog="Example: hwnas recipes show imagenet-mobile")
def show_(
    name: Annotated[str, typer.Argument(help="One of the list, or package.module:attribute, file.py:attribute.")],
    as_json: AsJson = False,
) -> None:
    """What a recipe is, where it is from, and every constant that --set can change."""
    from ..training.recipes import describe

    found = describe(name)
    show(found, as_json, "\n".join(_lines(found)))


def _lines(found: dict[str, Any]) -> list[str]:
    """The description of a recipe as lines for a person."""
    rows = [
        {"constant": key, "value": "" if value is None else str(value), "what": found["descriptions"][key]}
        for key, value in found["constants"].items()
    ]
    return [f"{found['name']}: {found['line']}", f"source: {found['source']}", "", table_text(rows)]
