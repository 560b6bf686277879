"""The stages, in their order: profile, search, train, export, verify; and the demo, which is all of them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .. import devices as device_room
from ..errors import InputError
from ..output import lines, plain, show
from ..space import registry
from .app import AsJson, Data, DataAgain, DeviceName, DeviceThreads, Root, Seed, TorchThreads, app, least, share

if TYPE_CHECKING:
    from ..search.folder import SearchRecord


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
    fresh: Annotated[bool, typer.Option(help="Forget an interrupted session instead of going on.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the blocks and some networks of a search space on a device, and write its latency table."""
    from ..latency.table import load
    from ..pipeline.profile import profile as stage

    path = stage(space, device, threads=threads, classes=classes, out=out, precision=precision, within=within,
                 time_limit=time_limit, networks=networks, seed=seed, fresh=fresh)  # fmt: skip
    table = load(path)
    fastest, slowest = table.predictor(registry.get(space, classes)).range()
    facts = {"table": path, "rows": len(table.rows), "networks": len(table.networks.ms), "seconds": table.seconds,
             "fastest_ms": fastest, "slowest_ms": slowest, "quality": plain(table.quality),
             "flags": table.flags}  # fmt: skip
    text = (
        f"{path}: {len(table.rows)} blocks and {len(table.networks.ms)} networks in {table.seconds:.0f} s "
        f"on {table.device.model}\nnetworks from {fastest:.3f} to {slowest:.3f} ms; {table.quality}"
    )
    show(facts, as_json, "\n".join([text, *lines("note", table.flags)]))


@app.command(epilog="Example: hwnas search --table latency_tables/cpu.proxyless-32.json --latency 0.09")
def search(
    latency: Annotated[float, typer.Option(help="The budget in ms.")],
    table: Annotated[
        str | None, typer.Option(help="The latency table, from `hwnas profile`, or one of `hwnas tables`.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="With --device, in place of --table: its table of a space.")] = None,
    device: Annotated[
        str | None,
        typer.Option(help="To measure on, a name or YAML file; with the table's threads.", show_default="the table's"),
    ] = None,
    measure: Annotated[
        bool | None,
        typer.Option("--measure/--no-measure", help="Whether the device decides.", show_default="unless published"),
    ] = None,
    data: Data = "fashion-mnist-small",
    out: Annotated[Path, typer.Option(help="Folder for the result; the same call again goes on there.")] = Path(
        "runs/search"
    ),
    warmup_steps: Annotated[
        int | None, typer.Option(min=0, help="Steps of the weights alone.", show_default="the strategy's, or 3000")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps of weights and architecture in turn.", show_default="the strategy's, or 3000"),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Images of a step, over all processes of a torchrun.")] = 32,
    sync_norm: Annotated[bool, typer.Option("--sync-norm", help="BatchNorm over all processes of a torchrun.")] = False,
    bfloat16: Annotated[bool | None, typer.Option(help="Compute in bfloat16.", show_default="on a GPU")] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile each block with torch.compile.")] = False,
    strategy: Annotated[str, typer.Option(help="One of `hwnas strategies`.")] = "proxyless",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Of the strategy, or weights.NAME, objective.NAME, evaluator.NAME."
        ),
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="What joins accuracy and latency.", show_default="the strategy's")
    ] = None,
    evaluator: Annotated[
        str | None,
        typer.Option(
            help="What samplers judge by: inherited, short, full, table, naswot, synflow, grad-norm, params, macs.",
            show_default="inherited",
        ),
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="Architectures that a sampler looks at.", show_default="200")
    ] = None,
    accuracies: Annotated[Path | None, typer.Option(help="The published table of the evaluator `table`.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of a search whose shared weights serve again, for another latency.")
    ] = None,
    sharing: Annotated[
        Literal["separate", "collapsed"] | None,
        typer.Option(
            help="Of weights: each candidate has its own, or all of an operation have slices of the same.",
            show_default="the strategy's",
        ),
    ] = None,
    used: Annotated[
        float,
        typer.Option("--use", parser=least, metavar="SHARE", help="Of the latency aimed at to use, at least; 0: any."),
    ] = "97%",  # type: ignore[assignment]
    finalists: Annotated[int, typer.Option(help="Best architectures to rank by accuracy and to measure.")] = 16,
    threads: TorchThreads = None,
    root: Root = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Search the most accurate network within a latency budget: as measured, or as predicted from published data."""
    path, device = _table_of(table, space, device)
    from ..pipeline.search import search as stage
    from ..search.plan import constants
    from ..strategies.loops import Schedule

    length = {"warmup_steps": warmup_steps, "steps": steps}
    schedule = Schedule(batch_size=batch_size, synchronised=sync_norm, bfloat16=bfloat16, compiled=compiled,
                        **{name: count for name, count in length.items() if count is not None})  # fmt: skip
    found = stage(path, latency, data, out=out, strategy=strategy, constants=constants(strategy, settings or []),
                  objective=objective, evaluator=evaluator, evaluations=evaluations, accuracies=accuracies,
                  weights=weights, sharing=sharing, used=used, finalists=finalists, seed=seed, schedule=schedule,
                  threads=threads, root=root, device=device, measured=measure)  # fmt: skip
    if found is not None:  # this is the first process, or the only one
        show({"out": out, **plain(found)}, as_json, "\n".join([f"{out}/net.json: {found.net().name}", *_chosen(found)]))


def _chosen(found: "SearchRecord") -> list[str]:
    """The latency of what a search chose."""
    at = found.measured
    said = f"measured {at.ms:.4f} ms ({at.low:.4f} to {at.high:.4f})" if at else "not measured"
    return [
        f"predicted {found.predicted_ms:.4f} ms (90 %: {found.predicted_low:.4f} to {found.predicted_high:.4f}), "
        f"{said}, budget {found.latency_ms:g} ms on {found.device.model}",
        f"predictions: {found.quality}",
        *lines("note", found.flags),
    ]


def _table_of(table: str | None, space: str | None, device: str | None) -> tuple[Path, str | None]:
    """The table's file, by its own name or by those of a device and a space, and the device if not the table's."""
    from ..pipeline.tables import find

    if table is not None and space is None:
        return find(table), device
    if table is not None or space is None or device is None:
        raise InputError("name the table by --table, or by --space and --device")
    if Path(device).suffix in (".yaml", ".yml"):
        return find(f"{device_room.describe(device).name}.{space}"), device
    return find(f"{device}.{space}"), None


@app.command(epilog="Example: hwnas train runs/search --data photos/ --out runs/chosen")
def train(
    net: Annotated[Path, typer.Argument(help="A net.json, or the folder of a search.")],
    data: Data = "fashion-mnist-small",
    out: Annotated[Path, typer.Option(help="Folder for the result; the same call again goes on there.")] = Path(
        "runs/train"
    ),
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.", show_default="the recipe's")] = None,
    shift: Annotated[
        float | None,
        typer.Option(parser=share, metavar="SHARE", help="Shift images by up to this share of their size, as 12.5%."),
    ] = None,
    threads: TorchThreads = None,
    root: Root = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train a network from scratch."""
    from ..pipeline.train import train as stage

    found = stage(net, data, out=out, epochs=epochs, shift=shift, seed=seed, threads=threads, root=root)
    show({"out": out, **plain(found)}, as_json, f"{out}: top-1 {found.top1:.2%} in {found.seconds:.0f} s")


@app.command(epilog="Example: hwnas export runs/chosen --name chosen")
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    name: Annotated[str | None, typer.Option(show_default="the run's")] = None,
    out: Annotated[Path, typer.Option(help="Where bundles go.")] = Path("export"),
    device: Annotated[str | None, typer.Option(help="One of `hwnas devices`.", show_default="the search's")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads there.", show_default="the search's")] = None,
    data: DataAgain = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Write a trained network as a bundle: ONNX model, weights, preprocessing and a manifest with proof."""
    from ..deploy.bundle import read_manifest
    from ..pipeline.export import export as stage

    folder = stage(run, name=name, out=out, device=device, threads=threads, data=data, root=root)
    found = read_manifest(folder)
    measured = found.latency.measured
    text = f"{folder}: top-1 {found.onnx_top1:.2%}, {measured.ms:.4f} ms ({measured.low:.4f} to {measured.high:.4f})"
    show({"bundle": folder, **plain(found)}, as_json, text)


@app.command(epilog="Example: hwnas verify export/fashion-mnist-small")
def verify(
    bundle: Annotated[Path, typer.Argument(help="The folder of a bundle.")],
    data: DataAgain = None,
    root: Root = None,
    latency: Annotated[bool, typer.Option(help="Also measure on the device.")] = True,
    as_json: AsJson = False,
) -> None:
    """Compute again everything that a bundle claims; exit 1 naming the first thing that does not hold."""
    from ..pipeline.verify import verify as stage

    found = stage(bundle, data=data, root=root, latency=latency)
    text = (
        f"{bundle} holds: {len(found['files'])} files, top-1 {found['onnx_top1']:.2%} in torch and onnxruntime, "
        f"logits within {found['max_abs_logit_diff']:.1e}, "
        + (f"{found['measured_ms']:.4f} ms" if latency else "latency not checked (--no-latency)")
    )
    show(found, as_json, text)


@app.command(epilog="Example: hwnas demo --out runs/demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that it makes.")] = Path("runs/demo"),
    latency: Annotated[float | None, typer.Option(help="The budget in ms.", show_default="by the profile")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each of the two networks.")] = 3,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """All stages on the packaged images and this CPU, against MobileNetV2 at the same latency."""
    from ..pipeline.demo import demo as stage

    found = stage(out, latency_ms=latency, seeds=seeds, seed=seed, say=lambda line: print(line, file=sys.stderr))
    show(found, as_json, f"\n{found['table']}\n\n{found['bundle']}")
