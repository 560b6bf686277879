"""The command that measures a search space on a device."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import lines, plain, show
from .app import AsJson, DeviceName, DeviceThreads, Seed, app, share


@app.command(epilog="Example: hwnas profile --space proxyless-32 --device cpu --within 3%")
def profile(
    space: Annotated[str, typer.Option(help="One of `hwnas spaces`.")] = "proxyless-32",
    device: DeviceName = "cpu",
    threads: DeviceThreads = None,
    classes: Annotated[int | None, typer.Option(help="Outputs of the networks.", show_default="the space's")] = None,
    out: Annotated[
        Path | None, typer.Option(show_default="latency_tables/<device>.<space>[.<classes>-classes].json")
    ] = None,
    precision: Annotated[float, typer.Option(help="Relative half-width of the 95 % interval to reach.")] = 0.01,
    within: Annotated[
        float | None, typer.Option(parser=share, metavar="SHARE", help="Error of predictions to reach, such as 3%.")
    ] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds of measuring at most.")] = 120.0,
    networks: Annotated[
        int | None, typer.Option(help="Whole networks to measure, at first.", show_default="24, or 100 without blocks")
    ] = None,
    seed: Seed = 0,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", " /--fresh", help="Whether an interrupted session goes on.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Measure the blocks and some networks of a search space on a device, and write its latency table."""
    from ..pipeline.profile import profile as stage

    found = stage(space, device, threads=threads, classes=classes, out=out, precision=precision, within=within,
                  time_limit=time_limit, networks=networks, seed=seed, resume=resume)  # fmt: skip
    path, table, (fastest, slowest) = found.path, found.table, found.predicted_ms
    facts = {"table": path, "rows": len(table.rows), "networks": len(table.networks.ms), "seconds": table.seconds,
             "fastest_ms": fastest, "slowest_ms": slowest, "quality": plain(table.quality),
             "flags": table.flags}  # fmt: skip
    text = (
        f"{path}: {len(table.rows)} blocks and {len(table.networks.ms)} networks in {table.seconds:.0f} s "
        f"on {table.device.model}\nnetworks from {fastest:.3f} to {slowest:.3f} ms; {table.quality}"
    )
    show(facts, as_json, "\n".join([text, *lines("note", table.flags)]))
