"""Strategies on shared weights: is what they find measured within the latency asked for, and better than chance?

    python benchmarks/shared_weights.py --data-dir DATA --runs FOLDER

On CIFAR-10 at 16 px and the space `nas-bench-macro-16`, for each strategy, latency and seed: a search as a user's
(`hwnas.search`, on this CPU as the device), with as many images for the shared weights as any other; an image counts
once for each path that it is run through in a step of the weights. What is found is trained from scratch on all
training images (one recipe), and so are architectures sampled at random that are predicted and measured
in the same band of latency. The weights of a one-shot method serve all latencies. At the end all networks that were
found are measured once more, in one session.

Everything goes on from `--runs`; `--only search` or `train` or `measure` does that part, and `--workers` share the
searches and trainings between processes. The last line is the figures.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import record
from shared_weights_runs import STRATEGIES, Bench, dataset

from hwnas.errors import InputError
from hwnas.files import read_json
from hwnas.search.record import read_record


def search_all(bench: Bench, workers: int) -> None:
    """All searches, in `workers` processes; one that fails is told, and left."""
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        running = {pool.submit(bench.search, *job): job for job in bench.jobs()}
        for done in as_completed(running):
            error = done.exception()
            if error is not None and not isinstance(error, InputError):
                raise error
            print(f"{running[done]}: {error}" if error else done.result(), flush=True)


def results(bench: Bench) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The figures, and a row for every search, failed ones included."""
    measured, rows = bench.measured(), []
    budgets = bench.latencies_asked()
    top1 = {arch: read_json(bench.train_folder(arch) / "train.json", "training")["top1"] for arch in bench.archs()}
    chance = [float(np.median([top1[arch] for arch in bench.sampled(budget)])) for budget in range(len(budgets))]
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
