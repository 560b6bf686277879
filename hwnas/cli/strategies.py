"""The search strategies: listed and shown."""

from inspect import getdoc
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
    from ..strategies.methods import METHODS

    listing([{"name": name, **_row(method)} for name, method in METHODS.items()], as_json)


@commands.command("show", epilog="Example: hwnas strategies show regularised-evolution")
def show_(
    name: Annotated[str, typer.Argument(help="One of the list.")],
    as_json: AsJson = False,
) -> None:
    """What a strategy is, and every constant of its own that --set can change, with its value."""
    from ..strategies.methods import get

    method = get(name)
    found = {
        "name": name,
        **_row(method),
        "objective": method.objective,
        "sharing": method.sharing,
        "constants": method.defaults,
        "schedule": dict(method.schedule),
        "parts": [getdoc(part) for part in method.parts],
    }
    show(found, as_json, "\n".join(_lines(found)))


def _row(method: "Method") -> dict[str, str]:
    return {"kind": method.kind, "line": method.line, "needs": method.needs, "paper": method.paper}


def _lines(found: dict[str, Any]) -> list[str]:
    """The description of a strategy as lines for a person."""
    constants = found["constants"] | {f"weights.{name}": value for name, value in found["schedule"].items()}
    values = [{"constant": name, "value": str(value)} for name, value in constants.items()]
    return [
        f"{found['name']}: {found['line']} ({found['paper']})",
        f"kind: {found['kind']}; needs {found['needs']}; objective: {found['objective']}; weights: {found['sharing']}",
        *[f"\n{part}" for part in found["parts"]],
        "",
        table_text(values) if values else "no constants",
    ]
