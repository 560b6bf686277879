"""How well a supernet ranks architectures of NAS-Bench-Macro (2103.11922), by ways to train it and to score them.

    python benchmarks/ranking.py --data-dir ../shared/data --runs build/ranking [--ways fair uniform] [--seeds 0 1]
        [--images 1000000] [--save benchmarks/results/ranking.json]

Every way of `WAYS` trains a supernet on CIFAR-10 for equally many images, one image counting once for each
architecture that it trains. 200 fixed random architectures then inherit its weights and are scored on training images
that it never saw; Kendall's tau-b is taken of the score and of the published mean test accuracy of each trained alone.
The same is done on the way there, at half of the images, a quarter and so on, where the learning rate is still high.
Intervals are of 95%, over architectures. Two rivals need no training: the layers that are no identity, and FLOPs.
Seconds are of training alone, on the machine as busy as it was.

The supernet can be thinner, and its images smaller, than those of the networks that it ranks. All that was chosen by
trying, such as rates, was chosen on other architectures (`--archs-seed 1`) than those reported (0). A run that was cut
off goes on from its folder in `--runs`, and a finished one is only read from there. The last line is the figures.
`results/ranking.json` is of `--ways "fair, collapsed" --images 1000000 --seeds 0 1`, `results/ranking_ablation.json` of
`--images 300000`.
"""

import argparse
import json
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import record
from scipy.stats import kendalltau
from supernet_run import CALIBRATION, Run, Scores, Way

from hwnas.errors import InputError
from hwnas.files import read_json, write_json
from hwnas.progress import show_progress
from hwnas.space.layerwise import nas_bench_macro
from hwnas.space.space import Arch, SearchSpace
from hwnas.training.data import Dataset, Split, holdout, load
from hwnas.training.memory import keep_freed_memory

WAYS = {
    "uniform, zero start": Way("uniform", lr=0.1, zero_start=True),
    "uniform": Way("uniform", lr=0.1),
    "fair": Way("fair", lr=0.03),
    "sandwich": Way("sandwich", lr=0.025),
    "sandwich, distilled": Way("sandwich", lr=0.025, distil=True),
    "uniform, collapsed": Way("uniform", lr=0.1, sharing="collapsed"),
    "fair, collapsed": Way("fair", lr=0.03, sharing="collapsed"),
    "sandwich, distilled, collapsed": Way("sandwich", lr=0.025, distil=True, sharing="collapsed"),
}
"""What is compared; the first is the supernet as the library makes it, with one path a step."""

HELD_OUT = 0.1
"""Share of the training images that score and do not train."""

POINTS = 3
"""How often a run is scored: at its end, at half of it, and so on."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Truth:
    """`archs` drawn at random without repetition, their published `accuracy` (N,) in percent, and what rivals say."""

    archs: list[Arch]
    accuracy: np.ndarray
    rivals: Scores

    @staticmethod
    def load(path: Path, space: SearchSpace, count: int, seed: int) -> "Truth":
        """Read the published table in `path`."""
        table = read_json(path, "table of accuracies")
        rng, drawn = np.random.default_rng(seed), {}
        while len(drawn) < count:
            drawn[space.sample(rng)] = None
        rows = [table["".join(map(str, arch))] for arch in drawn]
        rivals = {
            "layers": [float(np.count_nonzero(arch)) for arch in drawn],
            "flops": [float(row["flops"]) for row in rows],
        }
        return Truth(list(drawn), np.array([row["mean_acc"] for row in rows]), rivals)

    def tau(self, score: Sequence[float]) -> float:
        """Kendall's tau-b of `score` (N,) and the accuracy."""
        return float(kendalltau(score, self.accuracy).statistic)

    def taus(self, scores: Scores) -> dict[str, float]:
        """`tau` of each of several scores."""
        return {name: round(self.tau(score), 4) for name, score in scores.items()}

    def interval(self, score: Sequence[float], rival: Sequence[float] | None = None) -> list[float]:
        """95% of the bootstrap of `tau`, or of how much it is over that of `rival`, over architectures."""
        rng, given, found = np.random.default_rng(0), np.array(score), []
        for _ in range(RESAMPLES):
            rows = rng.integers(0, len(given), len(given))
            taken = Truth(self.archs, self.accuracy[rows], {})
            found.append(taken.tau(given[rows]) - (taken.tau(np.array(rival)[rows]) if rival else 0))
        return [round(float(bound), 4) for bound in np.quantile(found, (0.025, 0.975))]


@dataclass(frozen=True)
class Bench:
    """What all runs share."""

    space: SearchSpace
    dataset: Dataset
    train: Split
    held: Split
    truth: Truth
    images: int
    folder: Path

    def run(self, name: str, seed: int) -> dict[str, Any]:
        """What training in the way `name` comes to. Goes on from its folder; raises `InputError` for another's."""
        folder = self.folder / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
        run = Run(self.space, WAYS[name], self.train, self.dataset, self.images, seed)
        run.resume(folder / "state")
        scored = folder / "scored.json"
        found = read_json(scored, "result") if scored.exists() else {"archs": self.truth.archs, "curve": []}
        if list(map(tuple, found["archs"])) != self.truth.archs:
            raise InputError(f"{scored} is of other architectures: name another folder or remove it",
                             code="benchmarks.other-run", path=str(scored))  # fmt: skip
        curve = found["curve"]
        with show_progress(name, run.steps * run.per_step) as report:
            for step in sorted(run.steps >> halvings for halvings in range(POINTS))[len(curve) :]:
                run.go_on(step, folder / "state", report)
                curve.append(self.point(run, final=step == run.steps))
                write_json(scored, found)
                print(f"{name}, seed {seed}: {json.dumps(curve[-1])}", flush=True)
        return {"way": name, "seed": seed, **asdict(run.way), "curve": curve}

    def point(self, run: Run, final: bool) -> dict[str, Any]:
        """How `run` ranks by now; at its end also with intervals, and with statistics that all children share."""
        own = run.scores(self.truth.archs, self.held)
        found = {
            "images": run.done * run.per_step,
            "steps": run.done,
            "seconds": round(run.seconds),
            "tau": self.truth.taus(own),
            "child_accuracy": np.quantile(own["accuracy"], (0, 0.5, 1)).round(4).tolist(),
        }
        if final:
            layers = self.truth.rivals["layers"]
            found["interval"] = {name: self.truth.interval(score) for name, score in own.items()}
            found["over_layers"] = {name: self.truth.interval(score, layers) for name, score in own.items()}
            shared = run.scores(self.truth.archs, self.held, own=False)
            found["tau_without_recalibration"] = self.truth.taus(shared)
        return found


def cifar10(data: Path, folder: Path, resolution: int) -> Dataset:
    """CIFAR-10 from its archive in `data`, unpacked into `folder` unless it is there."""
    if not (folder / "train").is_dir():
        with tarfile.open(data / "cifar10_jpeg.tar.xz") as packed:
            packed.extractall(folder, filter="data")
    return load(folder, resolution)


def summary(results: list[dict[str, Any]], truth: Truth) -> dict[str, Any]:
    """Means over seeds of the final tau of each way, and the rivals."""
    ways: dict[str, Any] = {}
    for name in dict.fromkeys(result["way"] for result in results):
        ends = [result["curve"][-1] for result in results if result["way"] == name]
        ways[name] = {
            what: {score: round(float(np.mean([end[what][score] for end in ends])), 4) for score in ends[0][what]}
            for what in ("tau", "tau_without_recalibration")
        }
    return {"ways": ways, "rivals": truth.taus(truth.rivals)}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="has cifar10_jpeg.tar.xz, nas_bench_macro_cifar10.json"
    )
    parser.add_argument("--runs", type=Path, required=True, help="folder of checkpoints, and of the unpacked images")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, default=500_000)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--resolution", type=int, default=16)
    parser.add_argument("--archs", type=int, default=200)
    parser.add_argument("--archs-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    return parser.parse_args()


@keep_freed_memory()
def main() -> None:
    asked = options()
    torch.set_num_threads(asked.threads)
    space = nas_bench_macro(width=asked.width, resolution=asked.resolution)
    truth = Truth.load(asked.data_dir / "nas_bench_macro_cifar10.json", space, asked.archs, asked.archs_seed)
    dataset = cifar10(asked.data_dir, asked.runs / "images", asked.resolution)
    train, held = holdout(dataset.train, HELD_OUT, seed=0)
    bench = Bench(space, dataset, train, held, truth, asked.images, asked.runs)
    results = [bench.run(name, seed) for seed in asked.seeds for name in asked.ways]
    figures = summary(results, truth)
    figures |= {"images": asked.images, "held_out": len(held), "calibration": CALIBRATION}
    arguments = {name: value for name, value in vars(asked).items() if not isinstance(value, Path)}
    record(figures, asked.save, {"arguments": arguments, "runs": results})


if __name__ == "__main__":
    main()
