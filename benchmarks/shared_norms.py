"""Children that all have the BatchNorm statistics of random ones: what recalibration is compared with."""

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


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    """Every BatchNorm in `module`."""
    return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]


@torch.inference_mode()
def shared_blocks(supernet: Supernet, batches: Sequence[torch.Tensor], rng: np.random.Generator) -> Blocks:
    """Every block with its mean statistics over the random children that had it: what a running average ends at.

    Each of `batches`, (M, 3, H, W), goes through another child.
    """
    blocks: Blocks = {}
    for images in batches:
        arch = supernet.space.sample(rng)
        chosen = list(supernet.space.blocks_of(arch))
        modules = iter(supernet.extract(arch))
        x = images
        for key in enumerate(chosen):
            module = next(modules) if key[1].layers else nn.Identity()
            if key not in blocks:
                for norm in norms(module):
                    norm.momentum = None  # the plain mean over all that comes
            x = blocks.setdefault(key, module).train()(x)
    for module in blocks.values():
        module.eval()
    return blocks


@torch.inference_mode()
def answers(supernet: Supernet, archs: Sequence[Arch], images: torch.Tensor, blocks: Blocks) -> list[torch.Tensor]:
    """Logits (N, classes) for `images` (N, 3, H, W) of the child of each of `archs` made of `blocks` as they are.

    What children begin with in common runs only once.
    """
    found: dict[Arch, torch.Tensor] = {}
    before: list[Block] = []
    trail = [images.split(CHUNK)]  # what goes into each position
    for arch in sorted(archs):
        chosen = list(supernet.space.blocks_of(arch))
        common = next((i for i, pair in enumerate(zip(chosen, before, strict=False)) if pair[0] != pair[1]), 0)
        del trail[common + 1 :]
        for place in range(common, len(chosen)):
            trail.append([blocks[place, chosen[place]](chunk) for chunk in trail[-1]])
        found[arch], before = torch.cat(tuple(trail[-1])), chosen
    return [found[arch] for arch in archs]
