"""The runs of `shared_weights.py`: its searches, trainings and measurements, each in a folder of its own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ranking import cifar10

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
from hwnas.training.data import Dataset
from hwnas.training.recipe import Recipe

SPACE = "nas-bench-macro-16"
STRATEGIES = ("proxyless", "enas", "tunas", "spos", "bignas", "darts")
ONE_SHOT = ("spos", "bignas")
PATHS = {"bignas": 4, "darts": 3}
"""Paths that an image of a step of the weights is run through, where they are not one."""
SHARES = (0.3, 0.5, 0.7)
"""The latencies asked for, as shares of the way from the fastest network to the slowest."""
BATCH = 64
EVALUATIONS, FINALISTS = 100, 8
RANDOM = 10
"""Architectures sampled for each latency."""


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
            raise InputError(f"first: hwnas profile --space {SPACE} --within 2% --out {self.table}",
                             code="benchmarks.no-table", path=str(self.table))  # fmt: skip
        return load_table(self.table)

    def latencies_asked(self) -> list[float]:
        """The latencies asked for, in ms."""
        fastest, slowest = self.latencies().predictor(registry.get(SPACE)).range()
        return [float(f"{fastest + share * (slowest - fastest):.3g}") for share in SHARES]

    def schedule(self, strategy: str) -> dict[str, int]:
        """As many images for the weights, whatever the strategy; half of the steps are warm-up."""
        steps = self.images // (BATCH * PATHS.get(strategy, 1))
        return {"warmup_steps": steps // 2, "steps": steps - steps // 2, "batch_size": BATCH}

    def search_folder(self, strategy: str, budget: int, seed: int) -> Path:
        """Where the search is."""
        return self.folder / "searches" / f"{strategy}-{budget}-{seed}"

    def search(self, strategy: str, budget: int, seed: int) -> str:
        """One search, or for a one-shot method one after another for all latencies, by the same weights."""
        first = self.search_folder(strategy, 0, seed)
        for index in range(len(SHARES)) if strategy in ONE_SHOT else (budget,):
            weights = {**self.schedule(strategy), "sharing": "collapsed"}
            if strategy in ONE_SHOT and index:
                weights["from_run"] = first
            search(
                self.table,
                self.latencies_asked()[index],
                dataset(self.data, self.folder),
                out=self.search_folder(strategy, index, seed),
                strategy=strategy,
                weights=weights,
                finalists={"count": FINALISTS, "measuring_seconds": 5},
                seed=seed,
                threads=1,
                **({"evaluations": EVALUATIONS} if strategy in ONE_SHOT else {}),
            )
        return f"{strategy}, seed {seed}, {'all budgets' if strategy in ONE_SHOT else f'budget {budget}'}: searched"

    def sampled(self, budget: int) -> list[Arch]:
        """Architectures sampled uniformly among those that a search for `budget` may choose."""
        latencies = self.latencies()
        predictor = latencies.predictor(registry.get(SPACE))
        target_ms = self.latencies_asked()[budget] / (1 + latencies.quality.rmspe)
        limit = Limit(registry.get(SPACE), predictor.cost, target_ms, 0.97 * target_ms)
        rng, found = np.random.default_rng(budget), {}
        while len(found) < RANDOM:
            found[limit.sample(rng)] = None
        return list(found)

    def found(self, strategy: str, budget: int, seed: int) -> Arch:
        """What the search chose."""
        return read_record(self.search_folder(strategy, budget, seed)).arch

    def archs(self) -> list[Arch]:
        """Every architecture to be trained and measured, the random ones first."""
        rows = [arch for budget in range(len(SHARES)) for arch in self.sampled(budget)]
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
        recipe = Recipe(epochs=self.epochs, shift=0.125, mirror=True)
        train_many(jobs, dataset(self.data, self.folder), workers=workers, recipe=recipe, val=0)

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
