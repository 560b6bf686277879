"""The search strategies: listed and shown."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..output import listing, show, table_text
from .app import AsJson, called_alone, group

if TYPE_CHECKING:
    from ..strategies.methods import Method

commands = group("strategies", "List the search strategies, or show one with its constants.")


@commands.callback(epilog="Example: hwnas strategies --json")
def strategies(context: typer.Context, as_json: AsJson = False) -> None:
    """List the published search strategies, and what each needs."""
    if not called_alone(context, **{"--json": as_json}):
        return
    from ..strategies.methods import get, names

    listing([{"name": name, **_row(method)} for name, method in ((name, get(name)) for name in names())], as_json)


@commands.command("show", epilog="Example: hwnas strategies show regularised-evolution")
def show_(
    name: Annotated[str, typer.Argument(help="One of the list.")],
    as_json: AsJson = False,
) -> None:
    """What a strategy is, and every constant of its own that --set can change, with its value."""
    from ..strategies.constants import describe_range
    from ..strategies.methods import get

    method = get(name)
    found = {
        "name": name,
        **_row(method),
        "objective": method.objective,
        "sharing": method.sharing,
        "constants": method.configure().values(),
        "ranges": {name: describe_range(field) for name, field in method.fields.items()},
        "descriptions": {name: field.description for name, field in method.fields.items()},
        "schedule": dict(method.schedule),
        "parts": method.descriptions,
    }
    show(found, as_json, "\n".join(_lines(found)))


def _row(method: "Method") -> dict[str, str]:
    return {"kind": method.kind, "line": method.line, "needs": method.needs, "paper": method.paper}


def _lines(found: dict[str, Any]) -> list[str]:
    """The description of a strategy as lines for a person."""
    values = [
        {"constant": name, "value": str(value), "range": found["ranges"][name], "what": found["descriptions"][name]}
        for name, value in found["constants"].items()
    ]
    values += [
        {"constant": f"weights.{name}", "value": str(value), "range": "", "what": "as published, of the shared weights"}
        for name, value in found["schedule"].items()
    ]
    return [
        f"{found['name']}: {found['line']} ({found['paper']})",
        f"kind: {found['kind']}; needs {found['needs']}; objective: {found['objective']}; weights: {found['sharing']}",
        *[f"\n{part}" for part in found["parts"]],
        "",
        table_text(values) if values else "no constants",
    ]
