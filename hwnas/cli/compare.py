"""Search strategies compared on published accuracies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ..output import show, table_text
from .app import AsJson, app

if TYPE_CHECKING:
    from ..compare.comparison import CompareResult


@app.command(
    epilog="Example: hwnas compare --table nas_bench_macro_cifar10.json --strategies random,nsga2 --limit-macs 4e7"
)
def compare(
    table: Annotated[Path, typer.Option(help="Accuracies of every network: the file of NAS-Bench-Macro.")],
    strategies: Annotated[
        str | None, typer.Option(help="Of `hwnas strategies`, joined by commas.", show_default="all black-box ones")
    ] = None,
    budget: Annotated[int, typer.Option(help="Architectures that each may look at.")] = 200,
    seeds: Annotated[int, typer.Option(help="Runs of each.")] = 20,
    latency: Annotated[
        str | None, typer.Option(help="A latency table of the space, by file or name.", show_default="cost is MACs")
    ] = None,
    limit_ms: Annotated[float | None, typer.Option(help="The most ms, predicted from --latency.")] = None,
    limit_macs: Annotated[float | None, typer.Option(help="The most MACs, without --latency: such as 4e7.")] = None,
    single: Annotated[bool, typer.Option("--single", help="Tell them one training's accuracy, not the mean.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STRATEGY.NAME=VALUE", help="A constant of a strategy; may be repeated."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the result; finished runs in it are not done again.")] = Path(
        "runs/compare"
    ),
    workers: Annotated[int, typer.Option(help="Runs at a time.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare search strategies on published accuracies: their regret, fronts and time.

    A policy or one-shot method takes part with its sampler alone, as no weights are shared.
    """
    from ..pipeline.compare import BLACK_BOX
    from ..pipeline.compare import compare as stage

    names = BLACK_BOX if strategies is None else [name.strip() for name in strategies.split(",") if name.strip()]
    found = stage(table, names, budget=budget, seeds=seeds, latency=latency, limit_ms=limit_ms, limit_macs=limit_macs,
                  single=single, constants=_constants(settings or []), out=out, workers=workers)  # fmt: skip
    show(found.record, as_json, "\n".join(_lines(found)))


def _constants(settings: list[str]) -> dict[str, dict[str, str]]:
    """The text of each STRATEGY.NAME=VALUE by strategy and name; a strategy may be a reference, which has dots too."""
    found: dict[str, dict[str, str]] = {}
    for setting in settings:
        place, equals, text = setting.partition("=")
        strategy, dot, name = place.rpartition(".")
        if not (equals and dot and strategy and name):
            raise InputError(f"give a constant as STRATEGY.NAME=VALUE, not {setting!r}", code="config.setting",
                             setting=setting)  # fmt: skip
        found.setdefault(strategy, {})[name] = text
    return found


def _lines(result: "CompareResult") -> list[str]:
    """The comparison as lines for a person; regret in points of accuracy."""
    found = result.record
    rows = [
        {
            "strategy": one.strategy,
            f"regret after {found.budget}": f"{100 * one.regret[-1]:.3f}",
            "quartiles": f"{100 * one.low[-1]:.3f} to {100 * one.high[-1]:.3f}",
            f"after {half}": f"{100 * one.regret[half - 1]:.3f}",
            "found the best": f"{one.found:.0%}",
            "hypervolume": f"{one.hypervolume[1]:.4f}",
            "seconds": f"{one.seconds[1]:.2f}",
        }
        for half in [max(1, found.budget // 2)]
        for one in found.results
    ]
    least, most = found.truth.reference
    return [
        found.title,
        table_text(rows),
        f"medians over seeds; regret is in points below the best network, which has {found.truth.optimum:.3%}",
        f"hypervolume is a part of the true front's, down to {least:.3%} and up to {most:.6g} {found.unit}",
        f"{result.path}/plot.html shows the regret after each evaluation",
    ]
