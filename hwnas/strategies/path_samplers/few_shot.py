"""Few-shot search: several supernets, each of a share of the space (Zhao et al. 2020, arXiv 2006.06863)."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import nn

from ...errors import InputError
from ...nn.build import Network
from ...nn.choice_block import Sharing
from ...nn.gates import Gate, one_hot
from ...nn.shared import Kernels
from ...nn.supernet import Supernet
from ...space.space import Arch, SearchSpace
from ..base import TrainingPaths
from ..constants import Constants, out_of_range
from .base import PathSampler
from .rules import uniform


class FewShotSupernet(Supernet):
    """One supernet until it is divided, and then one for each group of the options of `slot`.

    `groups` has the number of each option's group. All weights are there from the start, `others` being those of the
    groups after the first, so that one optimiser has them all; those that nothing runs yet stay as they are.
    """

    def __init__(
        self, space: SearchSpace, slot: int, groups: Sequence[int], seed: int, sharing: Sharing, kernels: Kernels
    ) -> None:
        super().__init__(space, seed, sharing, kernels)
        self.slot, self.groups, self.divided = slot, tuple(groups), False
        self.others: Sequence[Supernet]
        self.others = nn.ModuleList(Supernet(space, seed, sharing, kernels) for _ in range(max(groups)))  # type: ignore[assignment]

    def divide(self) -> None:
        """Give every group the weights that they had in common so far. They keep no running momentum of them, but for
        the first group's, whose parameters are the same."""
        self.divided = True
        for other in self.others:
            other.parts.load_state_dict(self.parts.state_dict())

    def forward(self, x: torch.Tensor, gates: Sequence[Gate]) -> torch.Tensor:
        """As `Supernet`. Raises `InputError` for a gate that mixes options of several groups."""
        number = self._group(gates[self.slot].indices)
        if not number:
            return super().forward(x, gates)
        logits: torch.Tensor = self.others[number - 1](x, gates)
        return logits

    def extract(self, arch: Arch) -> Network:
        """As `Supernet`: the weights are those of the group of `arch`."""
        number = self._group(arch[self.slot : self.slot + 1])
        return self.others[number - 1].extract(arch) if number else super().extract(arch)

    def _group(self, options: Sequence[int]) -> int:
        first, *others = {self.groups[option] for option in options} if self.divided else {0}
        if others:
            raise InputError(
                f"options {options} of slot {self.slot} are in several supernets: open one of them",
                code="strategies.several-supernets",
                slot=self.slot,
            )
        return first

    def get_extra_state(self) -> dict[str, Any]:
        """What is no tensor in the `state_dict`."""
        return {"divided": self.divided}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Resume from `state`."""
        self.divided = state["divided"]


class FewShotConstants(Constants):
    """How the supernet is divided (2006.06863, §3)."""

    slot: int = Field(
        default=-1, ge=-1, description="slot to divide by, from 0; -1: the first of those with most options"
    )
    supernets: int = Field(
        default=0, ge=0, description="supernets to divide into; 0: one for each option, as published"
    )
    split_at: float = Field(default=0.5, gt=0, lt=1, description="share of the steps that is over at the split; ours")


class FewShot(PathSampler):
    """Uniform single paths through one supernet, which is divided when `split_at` of all steps is over.

    It is divided by the options of one slot into supernets of as many options each as can be. Every one inherits the
    weights, and each path then trains that of its option: where the paper trains each as long as it takes, the rest of
    the steps is shared by all. Raises `InputError` for a slot or a number of supernets that `space` does not have.
    """

    constants: ClassVar[type[Constants]] = FewShotConstants

    def __init__(self, space: SearchSpace, constants: FewShotConstants, *, seed: int) -> None:
        super().__init__(space, constants, seed=seed)
        if constants.slot >= len(space.slots):
            raise out_of_range("slot", constants.slot, f"-1 to {len(space.slots) - 1}, the last slot of {space.name}")
        self.slot = _widest(space) if constants.slot == -1 else constants.slot
        options, supernets = space.choices[self.slot], constants.supernets
        if supernets and not 2 <= supernets <= options:
            raise out_of_range("supernets", supernets, f"2 to {options}, the options of slot {self.slot}")
        groups = np.array_split(np.arange(options), supernets or options)
        self.groups = tuple(number for number, group in enumerate(groups) for _ in group)
        self.split_at = constants.split_at

    def supernet(self, sharing: Sharing = "separate", kernels: Kernels = "crop") -> FewShotSupernet:
        """The weights to train, not divided yet."""
        return FewShotSupernet(self.space, self.slot, self.groups, self.seed, sharing, kernels)

    def prepare(self, supernet: Supernet, progress: float) -> None:
        """Divide `supernet` once its time has come."""
        if progress >= self.split_at and isinstance(supernet, FewShotSupernet) and not supernet.divided:
            supernet.divide()

    def training_paths(self, progress: float, step: int) -> TrainingPaths:
        """One path."""
        return TrainingPaths(tuple(map(one_hot, uniform(self.space, self.rng(step)))))


def _widest(space: SearchSpace) -> int:
    """The first slot of those with most options, of the mixable ones if there are any."""
    return max(range(len(space.slots)), key=lambda slot: (space.mixable[slot], space.choices[slot], -slot))
