"""One network that holds the weights of every architecture of a space (ENAS, 1802.03268).

The supernet holds weights only. What runs is said by one `Gate` per slot, made by the strategy, which also owns the
architecture parameters and the random state.
"""

from collections.abc import Sequence
from typing import get_args

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import InputError
from ..space.space import Arch, SearchSpace, Slot
from .blocks import in_channels_last
from .build import Network
from .choice_block import ChoiceBlock, Sharing
from .gates import Gate, gate_at, one_hot
from .shared import Kernels

__all__ = ["Gate", "Supernet", "one_hot", "resized"]


def resized(images: torch.Tensor, resolution: int) -> torch.Tensor:
    """Images (N, 3, H, W) at `resolution` pixels a side: bilinear, and smoothed where that makes them smaller, as
    image libraries do when they read a picture at that size."""
    if images.shape[2:] == (resolution, resolution):
        return images
    return F.interpolate(images, (resolution, resolution), mode="bilinear", antialias=True)


class Supernet(nn.Module):
    """The weights of every candidate of `space`: images (N, 3, H, W) and gates to logits (N, classes).

    `sharing` says which candidates share weights, and `kernels` how shared kernels of several sizes relate. Where the
    resolution is a choice, images of another one are `resized` at the entry. Raises `InputError` for a kind of sharing
    or of kernels that there is not.

    In training mode BatchNorm uses the statistics of the batch and keeps no running ones: averages over whatever
    paths happened to run describe no network. A child that is to be evaluated gets its own (`recalibrate`); until then
    it has those of a fresh norm, and so has the supernet in eval mode.
    """

    def __init__(
        self, space: SearchSpace, seed: int | None = None, sharing: Sharing = "separate", kernels: Kernels = "crop"
    ) -> None:
        super().__init__()
        for given, kinds in ((sharing, get_args(Sharing)), (kernels, get_args(Kernels))):
            if given not in kinds:
                message = f"a supernet has no {given!r} weights: give one of {', '.join(kinds)}"
                raise InputError(message, code="supernet.weights", given=given, kinds=kinds)
        self.space = space
        apart = [isinstance(slot, Slot) for slot in space.slots]
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.parts = nn.ModuleList(
                ChoiceBlock(position, sharing, kernels, space.eps, alone=all(apart[slot] for slot in position.slots))
                for position in space.positions
            )
        self.resizes = len({block.height for block in space.positions[0].candidates}) > 1
        in_channels_last(self)

    @property
    def choice_blocks(self) -> list[ChoiceBlock]:
        """What stands at each position of the space."""
        return [part for part in self.parts if isinstance(part, ChoiceBlock)]

    def forward(self, x: torch.Tensor, gates: Sequence[Gate]) -> torch.Tensor:
        """Run what `gates` say, one for each slot. Raises `InputError` for gates that this space does not have.

        Where several slots decide on a position, all combinations of their indices run there (`gate_at`).
        """
        if len(gates) != len(self.space.slots):
            message = f"{len(gates)} gates for {len(self.space.slots)} slots"
            raise InputError(message, code="gates.count", gates=len(gates), slots=len(self.space.slots))
        for number, (position, choice_block) in enumerate(zip(self.space.positions, self.choice_blocks, strict=True)):
            gate = gate_at(position, gates, self.space)
            if self.resizes and number == 0:
                x = resized(x, position.candidates[gate.indices[0]].height)
            x = choice_block(x, gate)
        return x

    def extract(self, arch: Arch) -> Network:
        """The network of `arch` with a copy of its weights, ready to train, recalibrate or save."""
        like = next(self.parameters())
        with torch.device("meta"):  # its initial weights would only be overwritten: draw none
            child = Network(self.space.derive(arch)).to(like.dtype)
        child = in_channels_last(child.to_empty(device=like.device))
        picks = self.space.picks([arch])[0].tolist()
        present = [(part, pick) for part, pick in zip(self.choice_blocks, picks, strict=True) if pick in part.group]
        for block, (choice_block, pick) in zip(child, present, strict=True):
            for norm in block.modules():
                if isinstance(norm, nn.BatchNorm2d):
                    norm.reset_running_stats()
            weights = {name: weight.detach() for name, weight in choice_block.named(pick)}
            block.load_state_dict({**dict(block.named_buffers()), **weights})
        return child
