"""What a step of the supernet costs beside a training step of the extracted child: time and memory, as ratios.

    python benchmarks/supernet_step.py [--space all] [--seconds 22] [--save benchmarks/results/supernet_step.json]

Every round draws an architecture and times, once each and in random order: a training step of its network, extracted
(clear gradients, forward, backward, optimiser); the same through the supernet (one path); and architecture steps, the
gradient by the weights of gates: of two paths, of all paths recomputed in the backward pass, and of all paths in a
weighted sum. The figures are medians over the rounds of the ratio to the child's step. Of slots that decide on a
position together one is gated, so that its paths are that slot's options; a slot that changes shapes never is. Images
are as many as make about as much work for every space (`--work`), and of the resolution that the architecture is for.
Where they are few, what does not grow with them shows: gradients of shared weights are as large as the largest
candidate's, and so is their update.

Memory is of the first rounds: `kept`, the bytes of all distinct tensors that autograd saves for the backward pass,
parameters left out; and `peak`, the most bytes that torch's CPU allocator held at once during the step beyond what it
held before, which has gradients and all transient tensors, but not what oneDNN allocates for itself. (What torch's
profiler tells of itself is on stderr.)
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from record import record
from torch.autograd.profiler import profile

from hwnas.nn.gates import Gate, gate_at
from hwnas.nn.optimizer import sgd
from hwnas.nn.supernet import Supernet, one_hot, resized
from hwnas.space import registry
from hwnas.space.net import Block
from hwnas.space.space import Arch, SearchSpace, Slot
from hwnas.training.memory import keep_freed_memory

MODES = ("one_path", "two_paths", "recomputed", "weighted")
MEMORY_ROUNDS = 2


def widened(space: SearchSpace) -> SearchSpace:
    """`space` with the same six MBConvs first in each slot and 12 more behind them (expansions 1, 2, 4 and 5)."""

    def slot(part: Block | Slot) -> Block | Slot:
        if isinstance(part, Block):
            return part
        first = part.candidates[0]
        more = (replace(first, kernel=k, expansion=e) for k, e in product((3, 5, 7), (1, 2, 4, 5)))
        return Slot((*part.candidates[:6], *more))

    return SearchSpace(f"{space.name} of 18", tuple(map(slot, space.parts)))


def narrowed(space: SearchSpace) -> SearchSpace:
    """`space` with only the six MBConvs in each slot: no skip."""
    parts = (part if isinstance(part, Block) else Slot(part.candidates[:6]) for part in space.parts)
    return SearchSpace(f"{space.name} of 6", tuple(parts))


def gated(space: SearchSpace) -> list[int]:
    """Slots with several options that change no shape, no two of which decide on one position: those of most first."""
    found, taken = [], set()
    for slot in sorted(range(len(space.slots)), key=lambda slot: -space.choices[slot]):
        places = {n for n, position in enumerate(space.positions) if slot in position.slots}
        gates = [Gate((0,))] * len(space.slots)
        gates[slot] = Gate(tuple(range(space.choices[slot])), torch.ones(space.choices[slot]))
        try:
            paths = [len(gate_at(space.positions[n], gates, space).indices) for n in places]
        except ValueError:
            continue
        if max(paths) > 1 and not places & taken:
            found.append(slot)
            taken |= places
    return found


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


def peak_bytes(step: Callable[[], object]) -> int:
    """The most bytes that torch held at once during `step` beyond what it held before."""
    with profile(profile_memory=True) as profiler:
        step()
    events = [event for event in profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events))


class Steps:
    """The steps on one space with one kind of sharing."""

    def __init__(self, space: SearchSpace, sharing: str, modes: Sequence[str], work: float) -> None:
        self.space, self.rng, self.gated, self.modes = space, np.random.default_rng(0), gated(space), modes
        self.supernet = Supernet(space, 0, sharing).train()
        self.optimizer = sgd([{"params": list(self.supernet.parameters())}], 0.05)
        macs = np.mean([space.derive(space.sample(self.rng)).macs for _ in range(20)])
        self.batch = int(np.clip(work / macs, 2, 64))
        images = torch.randn(self.batch, 3, space.resolution, space.resolution)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(space.classes, (self.batch,))

    def gates(self, arch: Arch, mode: str) -> tuple[Gate, ...]:
        """Gates whose active path is `arch`."""
        gates = list(one_hot(arch))
        for slot in () if mode == "one_path" else self.gated:
            count = self.space.choices[slot]
            others = self.rng.permutation([index for index in range(count) if index != arch[slot]]).tolist()
            indices = (arch[slot], *(others[:1] if mode == "two_paths" else others))
            soft = mode == "weighted"
            weights = torch.full((len(indices),), 1 / len(indices)) if soft else torch.eye(len(indices))[0]
            form = ("weighted" if soft else "binary", mode == "recomputed")
            gates[slot] = Gate(indices, weights.requires_grad_(), *form)
        return tuple(gates)

    def train(self, forward: Callable[[], torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Clear, forward, backward, update."""
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(forward(), self.labels).backward()
        optimizer.step()

    def arch_step(self, images: torch.Tensor, gates: tuple[Gate, ...]) -> None:
        """The gradient by the weights of `gates`."""
        loss = F.cross_entropy(self.supernet(images, gates), self.labels)
        torch.autograd.grad(loss, [gate.weights for gate in gates if gate.weights is not None])

    def one_round(self, memory: bool) -> dict[str, float]:
        """Ratios to the child's step, all on one active path."""
        arch = self.space.sample(self.rng)
        child = self.supernet.extract(arch).train()
        images = resized(self.images, child.net.resolution)
        child_optimizer = sgd([{"params": list(child.parameters())}], 0.05)
        gates = {mode: self.gates(arch, mode) for mode in self.modes}
        forwards = {mode: partial(self.supernet, images, gates[mode]) for mode in self.modes}
        steps: dict[str, Callable[[], None]] = {
            mode: partial(self.arch_step, images, gates[mode]) for mode in self.modes if mode != "one_path"
        }
        steps["one_path"] = partial(self.train, forwards["one_path"], self.optimizer)
        steps["child"] = partial(self.train, partial(child, images), child_optimizer)
        steps["child"]()  # allocates the child's momentum, as the supernet's is
        steps["one_path"]()
        values = {"time": {name: seconds_of(steps[name]) for name in self.rng.permutation(list(steps))}}
        if memory:
            parameters = {p.untyped_storage().data_ptr() for p in (*self.supernet.parameters(), *child.parameters())}
            forwards["child"] = partial(child, images)
            values["kept"] = {name: kept_bytes(forward, parameters) for name, forward in forwards.items()}
            for optimizer in (self.optimizer, child_optimizer):
                optimizer.zero_grad(set_to_none=True)
            values["peak"] = {name: peak_bytes(partial(self.cleared, steps[name], child)) for name in steps}
        return {f"{mode}_{what}": found[mode] / found["child"] for what, found in values.items() for mode in self.modes}

    def cleared(self, step: Callable[[], None], child: torch.nn.Module) -> None:
        """Run `step`, and drop the gradients that it leaves."""
        step()
        for module in (self.supernet, child):
            module.zero_grad(set_to_none=True)


def seconds_of(step: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def measured(space: SearchSpace, sharing: str, options: argparse.Namespace) -> dict[str, float]:
    """The medians of as many rounds as `options.seconds` allow, four at least, and what they are of; printed, too.

    Of times, the quartiles as well."""
    modes = ("one_path", *(mode for mode in MODES[1:] if mode in options.modes))
    steps, start = Steps(space, sharing, modes, options.work), time.perf_counter()
    rounds: list[dict[str, float]] = []
    while len(rounds) < 4 or time.perf_counter() - start < options.seconds:
        rounds.append(steps.one_round(memory=len(rounds) < MEMORY_ROUNDS))
    figures = {name: round(float(np.median([r[name] for r in rounds if name in r])), 3) for name in rounds[0]}
    candidates = max(space.choices[slot] for slot in steps.gated)
    quartiles = {}
    for mode in modes:
        quartiles[mode] = np.quantile([r[f"{mode}_time"] for r in rounds], (0.25, 0.75)).round(3).tolist()
        shown = "  ".join(f"{what} {figures[f'{mode}_{what}']:5.2f}" for what in ("time", "kept", "peak"))
        print(f"{space.name:<18} {sharing:<10} {candidates:2d} candidates, batch {steps.batch:2d}  {mode:<11} {shown}")
    about = {"candidates": candidates, "batch": steps.batch, "rounds": len(rounds), "quartiles_of_time": quartiles}
    return figures | about


@keep_freed_memory()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="all", choices=("all", *registry.SPACES))
    parser.add_argument("--seconds", type=float, default=22, help="for each space and kind of sharing")
    parser.add_argument("--work", type=float, default=6e8, help="MACs of the forward pass of one step, about")
    parser.add_argument("--modes", nargs="+", default=MODES[1:], choices=MODES[1:], help="beside one path")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    spaces = [registry.get(name) for name in (registry.SPACES if options.space == "all" else (options.space,))]
    if options.space in ("all", "proxyless-32"):
        spaces += [narrowed(registry.get("proxyless-32")), widened(registry.get("proxyless-32"))]
    figures = {
        f"{space.name} {sharing}": measured(space, sharing, options)
        for space in spaces
        for sharing in ("separate", "collapsed")
    }
    record(figures, options.save, {"arguments": {**vars(options), "save": None}})


if __name__ == "__main__":
    main()
