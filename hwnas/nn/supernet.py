"""One network that holds the weights of every architecture of a space (ENAS, 1802.03268), each candidate its own.

The supernet holds weights only. What runs is said by one `Gate` per slot, made by the strategy, which also owns the
architecture parameters and the random state.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ..space.net import Block
from ..space.space import Arch, SearchSpace
from .blocks import BlockModule
from .build import Network


@dataclass(frozen=True)
class Gate:
    """Which candidates of a slot run. The first is active: its output goes on.

    With `weights`, shape (len(indices),), the gate is binary (ProxylessNAS, 1812.00332, eq. 3): one-hot on the first
    index. The other candidates change no output; they run only to give their weights a gradient.
    """

    indices: tuple[int, ...]
    weights: torch.Tensor | None = None


class _BinaryGate(torch.autograd.Function):
    """y = Σ g_j o_j for a one-hot g, with ∂L/∂g_j = ⟨∂L/∂y, o_j⟩ (1812.00332, eq. 4).

    Written out because autograd's own product would keep a second copy of the active output and compute a gradient
    for the inactive ones. The active output is the block's, kept by what follows anyway, so memory grows only by the
    inactive outputs.
    """

    @staticmethod
    def forward(ctx, weights: torch.Tensor, active: torch.Tensor, *inactive: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(active, *inactive)
        return active.view_as(active)

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inner = torch.stack([(grad * output).sum() for output in ctx.saved_tensors])
        return inner, grad, *(None for _ in ctx.saved_tensors[1:])


def one_hot(arch: Arch) -> tuple[Gate, ...]:
    """The gates of a fixed architecture: one path."""
    return tuple(Gate((index,)) for index in arch)


class Supernet(nn.Module):
    """Every candidate of every slot of `space` as a module: images (N, 3, H, W) and gates to logits (N, classes).

    In training mode BatchNorm uses the statistics of the batch and keeps no running ones: averages over whatever
    paths happened to run describe no network. A child that is to be evaluated gets its own (`recalibrate`).
    """

    def __init__(self, space: SearchSpace, seed: int | None = None) -> None:
        super().__init__()
        self.space = space
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.parts = nn.ModuleList(
                BlockModule(part) if isinstance(part, Block) else nn.ModuleList(map(BlockModule, part.candidates))
                for part in space.parts
            )
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.track_running_stats = False
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor, gates: Sequence[Gate]) -> torch.Tensor:
        """Run the gated candidates. Raises `ValueError` unless there is one gate for each slot."""
        if len(gates) != len(self.space.slots):
            raise ValueError(f"{len(gates)} gates for {len(self.space.slots)} slots")
        remaining = iter(gates)
        for part in self.parts:
            x = part(x) if isinstance(part, BlockModule) else _gated(part, next(remaining), x)
        return x

    def chosen(self, arch: Arch) -> Iterable[BlockModule]:
        """The module of each block of `space.chosen(arch)`, in the same order."""
        picks = iter(self.space.check(arch))
        return (part if isinstance(part, BlockModule) else part[next(picks)] for part in self.parts)

    def extract(self, arch: Arch) -> Network:
        """The network of `arch` with a copy of its weights, ready to train, recalibrate or save."""
        with torch.device("meta"):  # its initial weights would only be overwritten: draw none
            child = Network(self.space.derive(arch))
        sources = (part for block, part in zip(self.space.chosen(arch), self.chosen(arch), strict=True) if block.layers)
        for target, source in zip(child, sources, strict=True):
            target.load_state_dict({name: value.clone() for name, value in source.state_dict().items()}, assign=True)
        return child


def _gated(candidates: nn.ModuleList, gate: Gate, x: torch.Tensor) -> torch.Tensor:
    first, *others = gate.indices
    active = candidates[first](x)
    if gate.weights is None:
        return active
    with torch.no_grad():
        inactive = [candidates[index](x) for index in others]
    return _BinaryGate.apply(gate.weights, active, *inactive)
