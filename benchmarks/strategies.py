"""Which strategy finds the best network of NAS-Bench-Macro (2103.11922) within a limit, from how few evaluations.

    python benchmarks/strategies.py --data-dir ../shared/data --runs build/strategies
        [--save benchmarks/results/strategies.json] [--plot benchmarks/results/strategies.png]

All black-box strategies and policies, with their published constants, are told the published mean accuracy of what they
ask. There are two limits, under which equally many networks are allowed: on MACs, and on the latency that a table
predicts, by default this CPU's, which comes from (of 700 networks drawn, 495 differ)

    hwnas profile --space nas-bench-macro --threads 1 --networks 700 --time-limit 900

Regret is how many points of accuracy the network that scored best so far is below the best one allowed: a median and
quartiles over seeds; `found` is the part of seeds that ended without. Every strategy runs once with a budget of 100,
which many scale themselves to, and once with 200. Then each is timed over 1000 rounds of ask and tell, on this space
and on `proxyless-32`, evaluations not counted. A run that was cut off goes on from its folder in `--runs`. The last
line is the figures.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from record import record

from hwnas.compare.bench import Bench
from hwnas.compare.comparison import Comparison
from hwnas.latency.tables import load_table
from hwnas.pipeline.compare import compare
from hwnas.progress import show_progress
from hwnas.space import registry
from hwnas.strategies import methods
from hwnas.strategies.limit import Limit

NAMES = [name for name, method in methods.METHODS.items() if method.kind in ("black box", "policy")]
BUDGETS = (100, 200)
LIMIT_MACS = 40e6
"""One network in seven has as few; the best of those is 1.6 points below the best of all."""

EVERY = 10
"""Of so many evaluations one is kept in the details."""

ROUNDS = 1000
OTHER = "proxyless-32"
"""The space that strategies are also timed on, under the median of its latencies on a CPU."""


def limits(table: Path, latency: str) -> dict[str, dict[str, Any]]:
    """The options of `compare` for each limit: on MACs, and on the ms that as many networks are predicted to take."""
    macs = Bench.load(table, None, None, LIMIT_MACS, single=False)
    share = float(np.mean(macs.cost <= LIMIT_MACS))
    ms = float(np.quantile(Bench.load(table, latency, None, None, single=False).cost, share))
    return {"macs": {"limit_macs": LIMIT_MACS}, "ms": {"latency": latency, "limit_ms": ms}}


def regrets(found: Comparison) -> dict[str, float]:
    """Median regret at the end, in points of accuracy, by strategy, the least first."""
    return {result.strategy: round(100 * result.regret[-1], 4) for result in found.results}


def kept_figures(found: Comparison) -> dict[str, Any]:
    """A comparison as it is kept: regret in points of accuracy, after every tenth evaluation."""
    kept = asdict(found)
    for result in kept["results"]:
        for name in ("low", "regret", "high"):
            result[name] = [round(100 * value, 4) for value in result[name][EVERY - 1 :: EVERY]]
    return {name: value for name, value in kept.items() if name != "table"}


def seconds_of(name: str, limit: Limit) -> float:
    """Seconds that `name` takes for `ROUNDS` rounds of ask and tell, told made-up accuracies."""
    gains = np.random.default_rng(0).random((len(limit.space.choices), max(limit.space.choices)))
    method = methods.get(name)
    sampler = method.build(limit.space, limit, method.configure(), seed=0, budget=ROUNDS)
    spent = 0.0
    for _ in range(ROUNDS):
        started = perf_counter()
        (proposal,) = sampler.ask()
        spent += perf_counter() - started
        score = float(gains[range(len(proposal.arch)), proposal.arch].mean())
        started = perf_counter()
        sampler.tell(proposal.id, score)
        spent += perf_counter() - started
    return spent


def timings(table: Path, names: list[str]) -> dict[str, dict[str, float]]:
    """`seconds_of` each of `names`, by space."""
    space = registry.get(OTHER)
    cost = load_table(f"cpu.{OTHER}").predictor(space).cost
    drawn = [space.sample(np.random.default_rng(seed)) for seed in range(ROUNDS)]
    known = {
        "nas-bench-macro": Bench.load(table, None, None, LIMIT_MACS, single=False).limit,
        OTHER: Limit(space, cost, float(np.median(cost(drawn)))),
    }
    found: dict[str, dict[str, float]] = {name: {} for name in known}
    with show_progress("timing", len(known) * len(names)) as report:
        for place, limit in known.items():
            for name in names:
                found[place][name] = round(seconds_of(name, limit), 3)
                report(sum(map(len, found.values())), name)
    return found


def draw(found: dict[str, Comparison], path: Path) -> None:
    """A picture with a panel for each comparison: median regret of each strategy, with quartiles."""
    figure, panels = plt.subplots(1, len(found), figsize=(6.5 * len(found), 5), sharey=True, layout="constrained")
    colours = dict(zip(NAMES, plt.colormaps["tab20"].colors, strict=False))
    for panel, one in zip(np.atleast_1d(panels), found.values(), strict=True):
        for result in one.results:
            count = np.arange(1, one.budget + 1)
            low, middle, high = (100 * np.maximum(values, 1e-4) for values in (result.low, result.regret, result.high))
            panel.step(count, middle, where="post", label=result.strategy, color=colours[result.strategy])
            panel.fill_between(count, low, high, step="post", alpha=0.06, color=colours[result.strategy])
        panel.set(yscale="log", xlabel="evaluations", title=f"at most {one.limit:.4g} {one.unit}")
    np.atleast_1d(panels)[0].set_ylabel("regret in points of accuracy (0.01: none)")
    np.atleast_1d(panels)[-1].legend(fontsize="small")
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="has nas_bench_macro_cifar10.json")
    parser.add_argument("--runs", type=Path, required=True, help="folder of finished runs")
    parser.add_argument("--latency", default="cpu.nas-bench-macro", help="a latency table, by file or name")
    parser.add_argument("--strategies", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    parser.add_argument("--plot", type=Path, help="also draw them there")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    table = asked.data_dir / "nas_bench_macro_cifar10.json"
    found = {
        (limit, budget): compare(table, asked.strategies, budget=budget, seeds=asked.seeds, workers=asked.workers,
                                 out=asked.runs / f"{limit}-{budget}", **options).record
        for limit, options in limits(table, asked.latency).items() for budget in BUDGETS
    }  # fmt: skip
    if asked.plot is not None:
        draw({limit: one for (limit, budget), one in found.items() if budget == max(BUDGETS)}, asked.plot)
    figures = {
        **{f"regret_{limit}_{budget}": regrets(one) for (limit, budget), one in found.items()},
        **{f"found_{limit}_{budget}": {result.strategy: result.found for result in one.results}
           for (limit, budget), one in found.items()},
        "seconds_1000": timings(table, asked.strategies),
    }  # fmt: skip
    details = {f"{limit}_{budget}": kept_figures(one) for (limit, budget), one in found.items()}
    record(figures, asked.save, details)


if __name__ == "__main__":
    main()
