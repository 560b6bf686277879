"""The answers of many children of a supernet, with what they have in common run only once.

The BatchNorm statistics of a block depend on the images and on the blocks before it alone, so children that begin with
the same blocks share what these give. 200 random architectures of NAS-Bench-Macro take a third of the time.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from hwnas.nn.supernet import Supernet
from hwnas.space.net import Block
from hwnas.space.space import Arch

CHUNK = 500
"""Images per forward pass; results do not depend on it."""

Blocks = dict[tuple[int, Block], nn.Module]
"""One module, with BatchNorm statistics, for each block at each position."""

State = tuple[torch.Tensor, Sequence[torch.Tensor]]
"""What calibrates the next block, and what it is to answer, in chunks."""


@torch.inference_mode()
def answers(
    supernet: Supernet, archs: list[Arch], images: torch.Tensor, calibration: torch.Tensor, shared: Blocks | None = None
) -> list[torch.Tensor]:
    """Logits (N, classes) of the child of each of `archs` for `images` (N, 3, H, W).

    Each child has BatchNorm statistics of its own, over `calibration` (M, 3, H, W) as one batch; with `shared`, it is
    made of those blocks instead, as they are.
    """
    found: dict[Arch, torch.Tensor] = {}
    before: list[Block] = []
    trail: list[State] = [(calibration, images.split(CHUNK))]  # what goes into each position
    for arch in sorted(archs):
        chosen = list(supernet.space.chosen(arch))
        common = next((i for i, pair in enumerate(zip(chosen, before, strict=False)) if pair[0] != pair[1]), 0)
        del trail[common + 1 :]
        modules = _modules(supernet, arch, chosen)
        for place in range(common, len(chosen)):
            if shared is None:
                trail.append(_own(modules[place], *trail[-1]))
            else:
                module = shared[place, chosen[place]]
                trail.append((calibration, [module(chunk) for chunk in trail[-1][1]]))
        found[arch], before = torch.cat(tuple(trail[-1][1])), chosen
    return [found[arch] for arch in archs]


def _own(module: nn.Module, calibration: torch.Tensor, chunks: Sequence[torch.Tensor]) -> State:
    """Run `module` with the statistics of `calibration`."""
    for norm in norms(module):
        norm.momentum = 1.0  # those of this batch alone
    calibrated = module.train()(calibration)
    module.eval()
    return calibrated, [module(chunk) for chunk in chunks]


def _modules(supernet: Supernet, arch: Arch, chosen: Sequence[Block]) -> list[nn.Module]:
    """The child's module at each position; the identity for a skip."""
    modules = iter(supernet.extract(arch))
    return [next(modules) if block.layers else nn.Identity() for block in chosen]


@torch.inference_mode()
def shared_blocks(supernet: Supernet, batches: Sequence[torch.Tensor], rng: np.random.Generator) -> Blocks:
    """Every block with its mean statistics over the random children that had it: what a running average ends at.

    Each of `batches`, (M, 3, H, W), goes through another child.
    """
    blocks: Blocks = {}
    for images in batches:
        arch = supernet.space.sample(rng)
        chosen = list(supernet.space.chosen(arch))
        x = images
        for key, module in zip(enumerate(chosen), _modules(supernet, arch, chosen), strict=True):
            if key not in blocks:
                for norm in norms(module):
                    norm.momentum = None  # the plain mean over all that comes
            x = blocks.setdefault(key, module).train()(x)
    for module in blocks.values():
        module.eval()
    return blocks


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    """Every BatchNorm in `module`."""
    return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
