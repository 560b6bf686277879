"""The search spaces: listed, shown and checked."""

from typing import Annotated, Any

import typer

from ..errors import InputError
from ..output import listing, show, table_text
from .app import AsJson, Seed, called_alone, group

Reference = Annotated[
    str, typer.Argument(help="One of the list, file.yaml, file.py:attribute or package.module:attribute.")
]
Classes = Annotated[int | None, typer.Option(help="Outputs of the networks.", show_default="the space's")]

commands = group("spaces", "List the search spaces, show one, or check one of your own.")


@commands.callback(epilog="Example: hwnas spaces --json")
def spaces(context: typer.Context, as_json: AsJson = False) -> None:
    """List the built-in search spaces, and those of installed packages."""
    if called_alone(context, **{"--json": as_json}):
        from ..space import registry

        listing([_row(name) for name in registry.names()], as_json)


def _row(name: str) -> dict[str, Any]:
    from ..space import registry

    try:
        space = registry.get(name)
    except InputError as error:
        return {"name": name, "error": str(error)}
    return {"name": name, "slots": len(space.slots), "networks": space.size, "blocks": len(space.blocks()),
            "resolution": space.resolution, "classes": space.classes, "source": space.source}  # fmt: skip


@commands.command("show", epilog="Example: hwnas spaces show fbnet --table pixel3.fbnet")
def show_(
    name: Reference,
    classes: Classes = None,
    table: Annotated[
        str | None, typer.Option(help="A latency table of this space, by file or name: adds the range of latencies.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a space decides, how many networks it has, and the range of their costs."""
    from ..pipeline.spaces import describe

    found = describe(name, classes, table)
    show(found, as_json, "\n".join(_lines(found)))


@commands.command("check", epilog="Example: hwnas spaces check my-space.yaml")
def check_(
    file: Reference,
    classes: Classes = None,
    networks: Annotated[int, typer.Option(min=1, help="Random networks to run.")] = 20,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Check a space of your own: show what it decides, and run random networks of it in onnxruntime."""
    from ..pipeline.check_space import check_space

    found = check_space(file, classes, networks=networks, seed=seed)
    facts = {**found.description, "fingerprint": found.fingerprint, "checked": found.networks,
             "checked_macs": found.macs, "seconds": found.seconds}  # fmt: skip
    ends = _millions((min(found.macs), max(found.macs)))
    ran = f"{len(found.networks)} random networks of {ends} M MACs ran, in {found.seconds:.1f} s"
    show(facts, as_json, "\n".join([*_lines(found.description), f"fingerprint {found.fingerprint}", ran]))


def _lines(found: dict[str, Any]) -> list[str]:
    """The description of a space as lines for a person."""
    macs, params, latency = found["macs"], found["params"], found["latency"]
    again = f", by {found['architectures']:,} architectures" if found["architectures"] != found["networks"] else ""
    rows = [{**slot, "options": ", ".join(slot["options"])} for slot in found["slots"]]
    lines = [
        f"{found['space']}: {found['source']}",
        f"{found['networks']:,} networks (10^{found['networks_log10']}){again}",
        f"{_millions(macs)} M MACs, {_millions(params)} M parameters",
        f"images of {', '.join(map(str, found['resolutions']))} px, {found['classes']} classes; "
        f"{found['blocks']} distinct blocks",
    ]
    if latency:
        fastest, slowest = latency["predicted_ms"]
        lines.append(f"{fastest:.4g} to {slowest:.4g} ms predicted for {latency['device']} from {latency['table']}")
        lines.append(latency["quality"])
    return [*lines, table_text(rows)]


def _millions(ends: tuple[int, int]) -> str:
    return " to ".join(f"{end / 1e6:.4g}" for end in ends)
