"""How well scores without training rank architectures of NAS-Bench-Macro (2103.11922).

    python benchmarks/proxies.py --data-dir ../shared/data --images build/cifar10
        [--save benchmarks/results/proxies.json]

Kendall's tau-b of each proxy and the published mean test accuracy of 100 random architectures, for several seeds of
the weights and of the 128 images of CIFAR-10 that a proxy looks at. The networks are thinner, and the images smaller,
than those of the published accuracies. Intervals are of 95 %, over architectures, for the mean of the seeds' scores in
ranks. A rival needs no weights either: the number of layers that are no identity. The last line is the figures.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ranking import Truth, cifar10
from record import record
from scipy.stats import rankdata

from hwnas.accuracy.proxies import PROXIES
from hwnas.progress import show_progress
from hwnas.search.evaluators import ChosenEvaluator, ProxyConstants
from hwnas.space.layerwise import nas_bench_macro


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="has cifar10_jpeg.tar.xz, nas_bench_macro_cifar10.json"
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of the unpacked images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--resolution", type=int, default=16)
    parser.add_argument("--archs", type=int, default=100)
    parser.add_argument("--archs-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    return parser.parse_args()


def told(truth: Truth, scores: list[list[float]]) -> dict[str, Any]:
    """How the scores of each seed rank, and their mean rank with its interval."""
    joined = np.mean([rankdata(score) for score in scores], axis=0).tolist()
    layers = truth.rivals["layers"]
    return {
        "tau": [round(truth.tau(score), 4) for score in scores],
        "joined": round(truth.tau(joined), 4),
        "interval": truth.interval(joined),
        "over_layers": truth.interval(joined, layers),
    }


def main() -> None:
    asked = options()
    torch.set_num_threads(asked.threads)
    space = nas_bench_macro(width=asked.width, resolution=asked.resolution)
    truth = Truth.load(asked.data_dir / "nas_bench_macro_cifar10.json", space, asked.archs, asked.archs_seed)
    dataset = cifar10(asked.data_dir, asked.images, asked.resolution)
    figures: dict[str, Any] = {"images": ProxyConstants().batch, "layers": round(truth.tau(truth.rivals["layers"]), 4)}
    with show_progress("proxies", len(PROXIES) * len(asked.seeds) * len(truth.archs)) as report:
        done = 0
        for name in PROXIES:
            scores = []
            for seed in asked.seeds:
                evaluate, found = ChosenEvaluator.find(name).build(space, dataset, seed), []
                for arch in truth.archs:
                    found.append(evaluate(arch))
                    report(done := done + 1, name)
                scores.append(found)
            figures[name] = told(truth, scores)
    arguments = {name: value for name, value in vars(asked).items() if not isinstance(value, Path)}
    record(figures, asked.save, {"arguments": arguments})


if __name__ == "__main__":
    main()
