"""The command that measures a search space on a device."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..output import lines, plain, show
from .app import AsJson, ConfigFile, SeedOrConfigured, app, configure, share

if TYPE_CHECKING:
    from ..pipeline.profile import ProfileResult


@app.command(epilog="Example: hwnas profile --space proxyless-32 --device cpu --within 3%")
def profile(
    space: Annotated[str | None, typer.Option(help="One of `hwnas spaces`.", show_default="proxyless-32")] = None,
    device: Annotated[
        str | None, typer.Option(help="One of `hwnas devices`, or a device's YAML file.", show_default="cpu")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads that the model runs with there.", show_default="the device's")
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Outputs of the networks.", show_default="the space's")] = None,
    out: Annotated[
        Path | None, typer.Option(show_default="latency_tables/<device>.<space>[.<classes>-classes].json")
    ] = None,
    precision: Annotated[
        float | None, typer.Option(help="Relative half-width of the 95 % interval to reach.", show_default="0.01")
    ] = None,
    within: Annotated[
        float | None, typer.Option(parser=share, metavar="SHARE", help="Error of predictions to reach, such as 3%.")
    ] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds of measuring at most.", show_default="120")] = None,
    networks: Annotated[
        int | None, typer.Option(help="Whole networks to measure, at first.", show_default="24, or 100 without blocks")
    ] = None,
    seed: SeedOrConfigured = None,
    config: ConfigFile = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, such as even=false. May be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", " /--fresh", help="Whether an interrupted session goes on.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Measure the blocks and some networks of a search space on a device, and write its latency table."""
    from ..latency.profile import ProfileConfig
    from ..pipeline.profile import run_profile

    options = {
        "space": space, "device": device, "threads": threads, "classes": classes, "precision": precision,
        "within": within, "time_limit": time_limit, "networks": networks, "seed": seed,
    }  # fmt: skip
    found = run_profile(configure(ProfileConfig, config, options, settings), out=out, resume=resume)
    show(_facts(found), as_json, _summary(found))


def _facts(found: "ProfileResult") -> dict[str, object]:
    """What --json prints."""
    table, (fastest, slowest) = found.table, found.predicted_ms
    return {
        "table": found.path,
        "rows": len(table.rows),
        "networks": len(table.networks.ms),
        "seconds": table.seconds,
        "wall_seconds": found.seconds.wall,
        "seconds_by_part": found.seconds,
        "fastest_ms": fastest,
        "slowest_ms": slowest,
        "quality": plain(table.quality),
        "flags": table.flags,
    }


def _summary(found: "ProfileResult") -> str:
    """The same for a person."""
    table, (fastest, slowest) = found.table, found.predicted_ms
    count = f"{len(table.rows)} blocks and {len(table.networks.ms)} networks"
    text = (
        f"{found.path}: {count} in {table.seconds:.0f} s on {table.device.model}\n"
        f"networks from {fastest:.3f} to {slowest:.3f} ms; {table.quality}\n{found.seconds}"
    )
    return "\n".join([text, *lines("note", table.flags)])
