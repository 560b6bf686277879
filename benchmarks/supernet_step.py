"""What a search step costs beside a training step of the extracted child: time and kept activations, as ratios.

    python benchmarks/supernet_step.py [--rounds 40] [--batch 64] [--save benchmarks/results/supernet_step.json]

Every round draws an architecture and times the three steps once, in random order; the figures are medians over the
rounds. A step of the child is: clear gradients, forward, backward, optimiser. Kept activations are the bytes of all
distinct tensors that autograd saves for backward, other than parameters; a two-path step is held against the child of
its active path.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from record import record

from hwnas.nn.supernet import Supernet, one_hot
from hwnas.space import layerwise, mobile
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.proxyless import ProxylessGradient
from hwnas.training.memory import keep_freed_memory


def widened(space: SearchSpace) -> SearchSpace:
    """`space` with the same six MBConvs first in each slot and 12 more behind them (expansions 1, 2, 4 and 5)."""

    def slot(part: Block | Slot) -> Block | Slot:
        if isinstance(part, Block):
            return part
        first = part.candidates[0]
        more = (replace(first, kernel=k, expansion=e) for k, e in product(layerwise.KERNELS, (1, 2, 4, 5)))
        return Slot((*part.candidates[:6], *more))

    return SearchSpace(f"{space.name} with 18 candidates", tuple(map(slot, space.parts)))


def narrowed(space: SearchSpace) -> SearchSpace:
    """`space` with only the six MBConvs in each slot: no skip."""
    parts = (part if isinstance(part, Block) else Slot(part.candidates[:6]) for part in space.parts)
    return SearchSpace(f"{space.name} with 6 candidates", tuple(parts))


def seconds_of(step: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def kept_bytes(forward: Callable[[], torch.Tensor], parameters: set[int]) -> int:
    """Bytes of the distinct storages saved for backward by `forward`, parameters left out."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = forward()
    total = sum(kept.values())
    del loss
    return total


class Steps:
    """The three steps on one space, batch and supernet."""

    def __init__(self, space: SearchSpace, batch: int) -> None:
        self.supernet = Supernet(space, seed=0).train()
        self.strategy = ProxylessGradient(space)
        self.optimizer = torch.optim.SGD(self.supernet.parameters(), 0.05, 0.9, nesterov=True)
        self.cost = torch.rand(len(space.slots), max(space.choices))
        self.images = torch.randn(batch, 3, space.resolution, space.resolution)
        self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(space.classes, (batch,))

    def train(self, forward: Callable[[], torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Clear, forward, backward, update."""
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(forward(), self.labels).backward()
        optimizer.step()

    def two_path(self, gates: tuple) -> None:
        """The architecture step, expected latency included."""
        loss = F.cross_entropy(self.supernet(self.images, gates), self.labels)
        self.strategy.step(loss + (self.strategy.probs() * self.cost).sum())

    def one_round(self, rng: np.random.Generator) -> dict[str, float]:
        """Ratios to the child's step, all on the path that the two-path step has active."""
        gates = self.strategy.gates()
        arch = tuple(gate.indices[0] for gate in gates)
        child = self.supernet.extract(arch).train()
        child_optimizer = torch.optim.SGD(child.parameters(), 0.05, 0.9, nesterov=True)
        one_path = partial(self.supernet, self.images, one_hot(arch))
        parameters = {p.untyped_storage().data_ptr() for p in (*self.supernet.parameters(), *child.parameters())}
        memory = {
            "child": kept_bytes(lambda: child(self.images), parameters),
            "one_path": kept_bytes(one_path, parameters),
            "two_path": kept_bytes(lambda: self.supernet(self.images, gates), parameters),
        }
        steps = {
            "child": lambda: self.train(partial(child, self.images), child_optimizer),
            "one_path": lambda: self.train(one_path, self.optimizer),
            "two_path": lambda: self.two_path(gates),
        }
        steps["child"]()  # allocates the child's momentum, as the supernet's is
        steps["one_path"]()
        seconds = {name: seconds_of(steps[name]) for name in rng.permutation(list(steps))}
        return {
            f"{name}_{what}": values[name] / values["child"]
            for what, values in (("time", seconds), ("memory", memory))
            for name in ("one_path", "two_path")
        }


def growth_with_candidates(space: SearchSpace, batch: int, rng: np.random.Generator) -> dict[str, float]:
    """Kept bytes at 18 candidates a slot over those at 6, for the same paths."""
    few, many = narrowed(space), widened(space)
    gates = ProxylessGradient(few).gates()
    images = torch.randn(batch, 3, space.resolution, space.resolution)
    found = {}
    for name, chosen in (("one_path", one_hot(few.sample(rng))), ("two_path", gates)):
        kept = []
        for wide in (few, many):
            supernet = Supernet(wide, seed=0).train()
            parameters = {p.untyped_storage().data_ptr() for p in supernet.parameters()}
            kept.append(kept_bytes(partial(supernet, images, chosen), parameters))
        found[f"{name}_memory_18_over_6"] = kept[1] / kept[0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="proxyless-32", choices=mobile.SPACES)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    space, rng = mobile.get(options.space), np.random.default_rng(0)
    steps = Steps(space, options.batch)
    rounds = [steps.one_round(rng) for _ in range(options.rounds)]
    quantiles = {
        name: np.quantile([r[name] for r in rounds], (0.25, 0.5, 0.75)).round(4).tolist() for name in rounds[0]
    }
    for name, (low, middle, high) in quantiles.items():
        print(f"{name:<18} {middle:.3f}  (quartiles {low:.3f} to {high:.3f})")
    figures = {name: middle for name, (_, middle, _) in quantiles.items()}
    figures |= growth_with_candidates(space, options.batch, rng)
    record(figures, options.save, {"arguments": {**vars(options), "save": None}, "quartiles": quantiles})


if __name__ == "__main__":
    main()
