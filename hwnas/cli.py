"""The commands: thin wrappers that parse, call the stage of the same name, and print."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from . import devices as device_room
from .errors import InputError, VerificationError
from .output import listing, plain, show
from .space import mobile

app = typer.Typer(
    help="Profile a device, search under its real latency, export a verified ONNX model. Start with: hwnas demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

UsageError = typer.BadParameter.__base__
"""Of the click that this typer runs on: older ones import it, newer ones bring their own."""

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the signal's number, as in a shell."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Data = Annotated[
    str, typer.Option(help="fashion-mnist-small, cifar10, fashion-mnist, or a folder with one folder per class.")
]
DataAgain = Annotated[str | None, typer.Option(help="The folder of images, where the data set is one.")]
Root = Annotated[Path | None, typer.Option(help="Where torchvision keeps cifar10 and fashion-mnist.")]
DeviceName = Annotated[str, typer.Option(help="One of `hwnas devices`.")]
DeviceThreads = Annotated[int, typer.Option(help="Threads that the model runs with on the device.")]
TorchThreads = Annotated[int | None, typer.Option(min=1, help="Threads of torch here.", show_default="all cores")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")]


@app.command(epilog="Example: hwnas profile --space proxyless-32 --device cpu --threads 1")
def profile(
    space: Annotated[str, typer.Option(help="One of `hwnas spaces`.")] = "proxyless-32",
    device: DeviceName = "cpu",
    threads: DeviceThreads = 1,
    classes: Annotated[int | None, typer.Option(help="Outputs of the networks.", show_default="the space's")] = None,
    out: Annotated[Path | None, typer.Option(show_default="latency_tables/<device>.<space>.json")] = None,
    precision: Annotated[float, typer.Option(help="Relative half-width of the 95 % interval to reach.")] = 0.01,
    time_limit: Annotated[float, typer.Option(help="Seconds of measuring at most.")] = 120.0,
    checks: Annotated[int, typer.Option(help="Whole networks to check the sums of blocks against.")] = 24,
    seed: Seed = 0,
    fresh: Annotated[bool, typer.Option(help="Forget an interrupted session instead of going on.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure every block of a search space on a device, and write its latency table."""
    from .latency.predictor import TablePredictor
    from .latency.table import load
    from .pipeline.profile import profile as stage

    path = stage(space, device, threads=threads, classes=classes, out=out, precision=precision,
                 time_limit=time_limit, checks=checks, seed=seed, fresh=fresh)  # fmt: skip
    table = load(path)
    fastest, slowest = TablePredictor(mobile.get(space, classes), table).range()
    facts = {"table": path, "rows": len(table.rows), "seconds": table.seconds, "fastest_ms": fastest,
             "slowest_ms": slowest, "checks": len(table.checks), "fit": table.fit, "flags": table.flags}  # fmt: skip
    text = (
        f"{path}: {len(table.rows)} blocks in {table.seconds:.0f} s on {table.device.model}\n"
        f"networks from {fastest:.3f} to {slowest:.3f} ms; sums of blocks against {len(table.checks)} whole networks: "
        f"error {table.fit.rmspe:.1%}, Spearman {table.fit.spearman:.3f}, {table.fit.within_10:.0%} within ±10 %"
    )
    show({**facts, "fit": asdict(table.fit)}, as_json, "\n".join([text, *(f"note: {flag}" for flag in table.flags)]))


@app.command(epilog="Example: hwnas search --table latency_tables/cpu.proxyless-32.json --latency 0.09")
def search(
    table: Annotated[Path, typer.Option(help="The latency table, from `hwnas profile`.")],
    latency: Annotated[float, typer.Option(help="The budget in ms.")],
    data: Data = "fashion-mnist-small",
    out: Annotated[Path, typer.Option(help="Folder for the result; the same call again goes on there.")] = Path(
        "runs/search"
    ),
    warmup_steps: Annotated[int, typer.Option(min=0, help="Steps of the weights alone, 32 images each.")] = 3000,
    steps: Annotated[int, typer.Option(min=1, help="Steps of weights and architecture in turn.")] = 3000,
    strategy: Annotated[str, typer.Option(help="How to search: proxyless (arXiv 1812.00332).")] = "proxyless",
    finalists: Annotated[int, typer.Option(help="Most probable architectures to rank by accuracy.")] = 16,
    threads: TorchThreads = None,
    root: Root = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Search the most accurate network that measures within a latency budget."""
    from .pipeline.search import search as stage
    from .strategies.loops import Schedule

    schedule = Schedule(warmup_steps=warmup_steps, steps=steps)
    found = stage(table, latency, data, out=out, strategy=strategy, finalists=finalists, seed=seed,
                  schedule=schedule, threads=threads, root=root)  # fmt: skip
    text = (
        f"{out}/net.json: {found.net().name}\n"
        f"predicted {found.predicted_ms:.4f} ms, measured {found.measured.ms:.4f} ms "
        f"({found.measured.low:.4f} to {found.measured.high:.4f}), budget {latency:g} ms"
    )
    show({"out": out, **plain(found)}, as_json, text)


@app.command(epilog="Example: hwnas train runs/search --data photos/ --out runs/chosen")
def train(
    net: Annotated[Path, typer.Argument(help="A net.json, or the folder of a search.")],
    data: Data = "fashion-mnist-small",
    out: Annotated[Path, typer.Option(help="Folder for the result; the same call again goes on there.")] = Path(
        "runs/train"
    ),
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.", show_default="the recipe's")] = None,
    threads: TorchThreads = None,
    root: Root = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train a network from scratch."""
    from .pipeline.train import train as stage

    found = stage(net, data, out=out, epochs=epochs, seed=seed, threads=threads, root=root)
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
    from .deploy.bundle import read_manifest
    from .pipeline.export import export as stage

    folder = stage(run, name=name, out=out, device=device, threads=threads, data=data, root=root)
    found = read_manifest(folder)
    measured = found.latency.measured
    text = f"{folder}: top-1 {found.onnx_top1:.2%}, {measured.ms:.4f} ms ({measured.low:.4f} to {measured.high:.4f})"
    show({"bundle": folder, **plain(found)}, as_json, text)


@app.command(epilog="Example: hwnas measure export/chosen --device cpu")
def measure(
    target: Annotated[Path, typer.Argument(help="An ONNX file, a bundle's folder, or a net.json.")],
    device: DeviceName = "cpu",
    threads: DeviceThreads = 1,
    precision: Annotated[float, typer.Option(help="Relative half-width of the 95 % interval to reach.")] = 0.01,
    time_limit: Annotated[float, typer.Option(help="Seconds of measuring at most.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Measure the latency of one model at batch 1."""
    from .pipeline.measure import measure as stage

    found = stage(target, device, threads=threads, precision=precision, time_limit=time_limit)
    at = found.latency
    text = (
        f"{target}: {at.ms:.4f} ms ({at.low:.4f} to {at.high:.4f}) on {found.device.model}, "
        f"p50 {at.p50:.4f}, p90 {at.p90:.4f}, p99 {at.p99:.4f}"
    )
    show(found, as_json, text)


@app.command(epilog="Example: hwnas verify export/chosen")
def verify(
    bundle: Annotated[Path, typer.Argument(help="The folder of a bundle.")],
    data: DataAgain = None,
    root: Root = None,
    latency: Annotated[bool, typer.Option(help="Also measure on the device.")] = True,
    as_json: AsJson = False,
) -> None:
    """Compute again everything that a bundle claims; exit 1 naming the first thing that does not hold."""
    from .pipeline.verify import verify as stage

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
    from .pipeline.demo import demo as stage

    found = stage(out, latency_ms=latency, seeds=seeds, seed=seed, say=lambda line: print(line, file=sys.stderr))
    show(found, as_json, f"\n{found['table']}\n\n{found['bundle']}")


@app.command()
def spaces(as_json: AsJson = False) -> None:
    """List the built-in search spaces."""
    built = [mobile.get(name) for name in mobile.SPACES]
    rows = [{"name": s.name, "slots": len(s.slots), "networks": s.size, "blocks": len(s.blocks()),
             "resolution": s.resolution, "classes": s.classes, "source": s.source} for s in built]  # fmt: skip
    listing(rows, as_json)


@app.command()
def devices(as_json: AsJson = False) -> None:
    """List the devices that can be measured."""
    listing([_described(name) for name in device_room.names()], as_json)


def _described(name: str) -> dict[str, Any]:
    """What the device is, or why it cannot be reached: one that is away must not hide the others."""
    try:
        with device_room.get(name) as device:
            return {"name": name, **plain(device.info)}
    except InputError as error:
        return {"name": name, "error": str(error)}


def main() -> None:
    """Run a command: exit 0, 1 where a bundle does not hold, 2 for bad input, 130 after Ctrl-C; never a traceback."""
    try:
        if app(standalone_mode=False) == INTERRUPTED:  # newer typers return it, older ones raise
            raise KeyboardInterrupt
    except UsageError as error:
        print(error.format_message() if len(sys.argv) == 1 else f"hwnas: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    except (InputError, VerificationError) as error:
        print(f"hwnas: {error}", file=sys.stderr)
        sys.exit(1 if isinstance(error, VerificationError) else 2)
    except (KeyboardInterrupt, typer.Abort):
        print("\nhwnas: stopped (the same profile, search, train or demo goes on from here)", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:  # a full disk, say
        print(f"hwnas: {error}", file=sys.stderr)
        sys.exit(2)
