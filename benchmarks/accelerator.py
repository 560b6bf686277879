"""Whether bfloat16, the fused update and compiled blocks make a step of the search faster on this machine.

    python benchmarks/accelerator.py [--space proxyless-32] [--batch 64] [--save benchmarks/results/accelerator.json]

A one-path step (clear gradients, forward, backward, update) of the same path in four ways: plain (float32, torch's
default update); with bfloat16; with the fused update of `hwnas.nn.optimizer`; with compiled blocks. Every round times
each once, in random order; the figures are medians over rounds of the ratio to plain, under 1 where it wins. The path
is the same in all rounds, because compiling its blocks is what takes the longest: those seconds are told beside.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from record import record

from hwnas.nn.accelerator import autocast, compile_blocks, pick
from hwnas.nn.optimizer import sgd
from hwnas.nn.supernet import Supernet, one_hot
from hwnas.space import registry
from hwnas.space.space import SearchSpace
from hwnas.training.memory import keep_freed_memory


def plain_sgd(groups: list[dict], lr: float) -> torch.optim.Optimizer:
    """The same update by torch's default implementation."""
    return torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True)


def stepper(space: SearchSpace, batch: int, way: str) -> Callable[[], float]:
    """A function that takes one step in the `way` and returns its seconds."""
    device = pick()
    supernet = Supernet(space, seed=0).train().to(device)
    if way == "compiled":
        compile_blocks(supernet)
    optimizer = (sgd if way == "fused" else plain_sgd)([{"params": list(supernet.parameters())}], 0.01)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, space.resolution, space.resolution, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last).to(device)
    labels = torch.randint(space.classes, (batch,), generator=generator).to(device)
    gates = one_hot(space.sample(np.random.default_rng(0)))

    def step() -> float:
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, way == "bfloat16"):
            logits = supernet(images, gates)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    return step


@keep_freed_memory()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="proxyless-32", choices=registry.SPACES)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", nargs="+", default=["bfloat16", "fused", "compiled"])
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    space, rng = registry.get(options.space), np.random.default_rng(0)
    steps = {way: stepper(space, options.batch, way) for way in ("plain", *options.ways)}
    first = {way: step() for way, step in steps.items()}  # makes momenta, and compiles
    for step in steps.values():
        step()
    rounds = [{way: steps[way]() for way in rng.permutation(list(steps))} for _ in range(options.rounds)]
    figures = {"first_compiled_step_seconds": round(first["compiled"], 1)} if "compiled" in first else {}
    quartiles = {}
    for way in options.ways:
        low, middle, high = np.quantile([r[way] / r["plain"] for r in rounds], (0.25, 0.5, 0.75)).round(4).tolist()
        print(f"{way:<10} {middle:.3f} of a plain step (quartiles {low:.3f} to {high:.3f})")
        figures[f"{way}_over_plain"], quartiles[way] = middle, (low, high)
    record(figures, options.save, {"arguments": {**vars(options), "save": None}, "quartiles": quartiles})


if __name__ == "__main__":
    main()
