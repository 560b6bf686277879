"""Strategies on shared weights: is what they find measured within the latency asked for, and better than chance?

    python benchmarks/shared_weights.py --data-dir DATA --runs FOLDER

On CIFAR-10 at 16 px and the space `nas-bench-macro-16`, for each strategy, budget and seed: a search as a user's
(`hwnas.search`, on this CPU as the device), with as many images for the shared weights as any other; an image counts
once for each path that it is run through in a step of the weights. What is found is trained from scratch on all
training images (one recipe), and so are architectures drawn at random that are predicted and measured
in the same band of latency. The weights of a one-shot method serve all budgets. At the end all networks that were
found are measured once more, in one session.

Everything goes on from `--runs`; `--only search` or `train` or `measure` does that part, and `--workers` share the
searches and trainings between processes. The last line is the figures.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ranking import cifar10
from record import record

from hwnas import devices
from hwnas.errors import InputError
from hwnas.files import read_json, write_json
from hwnas.latency.measure import measure_nets
from hwnas.latency.table import LatencyTable
from hwnas.latency.table import load as load_table
from hwnas.pipeline.search import search
from hwnas.pipeline.train import Job, train_many
from hwnas.search.record import read_record
from hwnas.space import registry
from hwnas.space.space import Arch
from hwnas.strategies.limit import Limit
from hwnas.strategies.loops import Schedule
from hwnas.training.data import Dataset
from hwnas.training.recipe import Recipe

SPACE = "nas-bench-macro-16"
STRATEGIES = ("proxyless", "enas", "tunas", "spos", "bignas", "darts")
ONE_SHOT = ("spos", "bignas")
PATHS = {"bignas": 4, "darts": 3}
"""Paths that an image of a step of the weights is run through, where they are not one."""
SHARES = (0.3, 0.5, 0.7)
"""The budgets, as shares of the way from the fastest network to the slowest."""
BATCH = 64
EVALUATIONS, FINALISTS = 100, 8
RANDOM = 10
"""Architectures drawn for each budget."""


@dataclass(frozen=True)
class Bench:
    """What all runs share."""

    folder: Path
    data: Path
    images: int
    epochs: int
    seeds: int

    @property
    def table(self) -> Path:
        """The latency table of the space on this CPU."""
        return self.folder / f"cpu.{SPACE}.json"

    def latencies(self) -> LatencyTable:
        """That table, which `hwnas profile` has written. Raises `InputError` where it has not."""
        if not self.table.exists():
            raise InputError(f"first: hwnas profile --space {SPACE} --within 2% --out {self.table}")
        return load_table(self.table)

    def budgets(self) -> list[float]:
        """The latencies asked for, in ms."""
        fastest, slowest = self.latencies().predictor(registry.get(SPACE)).range()
        return [float(f"{fastest + share * (slowest - fastest):.3g}") for share in SHARES]

    def schedule(self, strategy: str) -> Schedule:
        """As many images for the weights, whatever the strategy; half of the steps are warm-up."""
        steps = self.images // (BATCH * PATHS.get(strategy, 1))
        return Schedule(warmup_steps=steps // 2, steps=steps - steps // 2, batch_size=BATCH)

    def search_folder(self, strategy: str, budget: int, seed: int) -> Path:
        """Where the search is."""
        return self.folder / "searches" / f"{strategy}-{budget}-{seed}"

    def searched(self, strategy: str, budget: int, seed: int) -> str:
        """One search, or for a one-shot method one after another for all budgets, by the same weights."""
        first = self.search_folder(strategy, 0, seed)
        for index in range(len(SHARES)) if strategy in ONE_SHOT else (budget,):
            search(
                self.table,
                self.budgets()[index],
                dataset(self.data, self.folder),
                out=self.search_folder(strategy, index, seed),
                strategy=strategy,
                evaluations=EVALUATIONS if strategy in ONE_SHOT else None,
                finalists={"count": FINALISTS, "measuring_seconds": 5},
                weights={
                    **self.schedule(strategy).model_dump(exclude_unset=True),
                    "sharing": "collapsed",
                    "from_run": first if strategy in ONE_SHOT and index else None,
                },
                seed=seed,
                threads=1,
            )
        return f"{strategy}, seed {seed}, {'all budgets' if strategy in ONE_SHOT else f'budget {budget}'}: searched"

    def drawn(self, budget: int) -> list[Arch]:
        """Architectures drawn uniformly among those that a search for `budget` may choose."""
        latencies = self.latencies()
        predictor = latencies.predictor(registry.get(SPACE))
        aim = self.budgets()[budget] / (1 + latencies.quality.rmspe)
        limit = Limit(registry.get(SPACE), predictor.cost, aim, 0.97 * aim)
        rng, found = np.random.default_rng(budget), {}
        while len(found) < RANDOM:
            found[limit.sample(rng)] = None
        return list(found)

    def found(self, strategy: str, budget: int, seed: int) -> Arch:
        """What the search chose."""
        return read_record(self.search_folder(strategy, budget, seed)).arch

    def archs(self) -> list[Arch]:
        """Every architecture to be trained and measured, the random ones first."""
        rows = [arch for budget in range(len(SHARES)) for arch in self.drawn(budget)]
        for strategy, budget, seed in self.jobs(all_budgets=True):
            if (self.search_folder(strategy, budget, seed) / "search.json").exists():
                rows.append(self.found(strategy, budget, seed))
        return list(dict.fromkeys(rows))

    def jobs(self, all_budgets: bool = False) -> list[tuple[str, int, int]]:
        """Strategy, budget and seed of every search; of a one-shot method only the first, unless `all_budgets`."""
        return [
            (strategy, budget, seed)
            for seed in range(self.seeds)
            for budget in range(len(SHARES))
            for strategy in STRATEGIES
            if all_budgets or strategy not in ONE_SHOT or budget == 0
        ]

    def train_folder(self, arch: Arch) -> Path:
        """Where the network of `arch` is trained."""
        return self.folder / "trained" / "".join(map(str, arch))

    def train(self, workers: int) -> None:
        """Train every network from scratch: the same architecture is trained once, whoever found it."""
        jobs = [Job(registry.get(SPACE).derive(arch), self.train_folder(arch)) for arch in self.archs()]
        recipe = Recipe(epochs=self.epochs, shift=0.125)
        train_many(jobs, dataset(self.data, self.folder), workers=workers, recipe=recipe)

    def measured(self) -> dict[str, list[float]]:
        """Latency in ms of every network, with its interval: measured in one session."""
        path = self.folder / "measured.json"
        known = read_json(path, "measurements") if path.exists() else {}
        archs = [arch for arch in self.archs() if "".join(map(str, arch)) not in known]
        space, latencies = registry.get(SPACE), self.latencies()
        with devices.get("cpu", 1) as device:
            for start in range(0, len(archs), 8):
                some = archs[start : start + 8]
                nets = [space.derive(arch) for arch in some]
                for arch, at in zip(
                    some,
                    measure_nets(device, nets, reference_seconds=latencies.reference_seconds, time_limit=30),
                    strict=True,
                ):
                    known["".join(map(str, arch))] = [at.ms, at.low, at.high]
                write_json(path, known)
        return known


_LOADED: dict[Path, Dataset] = {}


def dataset(data: Path, folder: Path) -> Dataset:
    """CIFAR-10 at the resolution of the space, read once a process."""
    if folder not in _LOADED:
        _LOADED[folder] = cifar10(data, folder / "images", registry.get(SPACE).resolution)
    return _LOADED[folder]


def search_all(bench: Bench, workers: int) -> None:
    """All searches, in `workers` processes; one that fails is told, and left."""
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        running = {pool.submit(bench.searched, *job): job for job in bench.jobs()}
        for done in as_completed(running):
            error = done.exception()
            if error is not None and not isinstance(error, InputError):
                raise error
            print(f"{running[done]}: {error}" if error else done.result(), flush=True)


def results(bench: Bench) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The figures, and a row for every search, failed ones included."""
    measured, rows = bench.measured(), []
    budgets = bench.budgets()
    top1 = {arch: read_json(bench.train_folder(arch) / "train.json", "training")["top1"] for arch in bench.archs()}
    chance = [float(np.median([top1[arch] for arch in bench.drawn(budget)])) for budget in range(len(budgets))]
    for strategy, budget, seed in bench.jobs(all_budgets=True):
        row = {"strategy": strategy, "budget_ms": budgets[budget], "seed": seed}
        if not (bench.search_folder(strategy, budget, seed) / "search.json").exists():
            rows.append({**row, "failed": True})
            continue
        found = read_record(bench.search_folder(strategy, budget, seed))
        ms, low, high = measured["".join(map(str, found.arch))]
        rows.append({
            **row, "arch": "".join(map(str, found.arch)), "aim_ms": found.target_ms, "predicted_ms": found.predicted_ms,
            "measured_in_search": found.measured.ms / budgets[budget], "measured_after": ms / budgets[budget],
            "interval_after": [low / budgets[budget], high / budgets[budget]], "overhead": found.overhead,
            "top1": top1[found.arch], "over_random": top1[found.arch] - chance[budget],
        })  # fmt: skip
    figures = {"chance": chance, "budgets_ms": budgets, "images": bench.images, "epochs": bench.epochs}
    figures["strategies"] = {name: _summary([r for r in rows if r["strategy"] == name]) for name in STRATEGIES}
    return figures, rows


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One strategy over budgets and seeds."""
    good = [row for row in rows if "failed" not in row]
    if not good:
        return {"searches": len(rows), "failed": len(rows)}
    over = [row["over_random"] for row in good]
    return {
        "searches": len(rows),
        "failed": len(rows) - len(good),
        "within_5_percent_and_not_over": sum(0.95 <= row["measured_in_search"] <= 1 for row in good),
        "the_same_measured_after": sum(0.95 <= row["measured_after"] <= 1 for row in good),
        "over_random_mean": round(float(np.mean(over)), 4),
        "over_random_worst_budget": round(
            min(float(np.mean([r["over_random"] for r in good if r["budget_ms"] == ms])) for ms in
                {r["budget_ms"] for r in good}), 4),
        "better_than_random": sum(value > 0 for value in over),
        "overhead_most": round(max(row["overhead"] for row in good), 4),
    }  # fmt: skip


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="has cifar10_jpeg.tar.xz")
    parser.add_argument("--runs", type=Path, required=True, help="folder of all runs, of the images and the table")
    parser.add_argument("--images", type=int, default=60_000, help="for the shared weights of one search")
    parser.add_argument("--epochs", type=int, default=1, help="of training what was found, on 50,000 images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--only", choices=("search", "train", "measure"), nargs="+", help="parts to do; default: all")
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    return parser.parse_args()


def main() -> None:
    asked = options()
    bench = Bench(asked.runs, asked.data_dir, asked.images, asked.epochs, asked.seeds)
    bench.latencies()
    dataset(asked.data_dir, asked.runs)  # unpacked before the workers read it
    parts = asked.only or ("search", "train", "measure")
    if "search" in parts:
        search_all(bench, asked.workers)
    if "train" in parts:
        bench.train(asked.workers)
    if "measure" in parts:
        figures, rows = results(bench)
        record(figures, asked.save, {"rows": rows})


if __name__ == "__main__":
    main()
