"""What children of a supernet are worth with the weights that they inherit, each with BatchNorm statistics of its own.

The statistics of a block depend on the images and on the blocks before it alone, so children that begin with the same
blocks share what these give. What the first blocks of earlier children gave is kept, up to a limit of memory.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ..errors import InputError
from ..nn.build import Network
from ..nn.supernet import Supernet, resized
from ..space.space import Arch
from .data import Dataset, Split
from .evaluate import accuracy

By = Literal["accuracy", "loss"]
"""What children are scored by: top-1 (0 to 1), or minus the cross-entropy."""

CHUNK = 500
"""Images per forward pass; results do not depend on it."""

MEMORY = 2**29
"""Bytes of features that are kept from one child to the next."""


@dataclass(frozen=True)
class Features:
    """What goes into a block: that of the images which calibrate it, and of those which are answered, in chunks."""

    calibration: torch.Tensor
    images: tuple[torch.Tensor, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(part.nbytes for part in (self.calibration, *self.images))

    def at(self, resolution: int) -> "Features":
        """The same images at `resolution` pixels a side."""
        return Features(resized(self.calibration, resolution), tuple(resized(x, resolution) for x in self.images))

    def through(self, block: nn.Module) -> "Features":
        """What comes out of `block`, whose norms take the statistics of the calibrating images."""
        for part in block.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = 1.0  # those of this one batch
        calibration = block.train()(self.calibration)
        block.eval()
        return Features(calibration, tuple(block(chunk) for chunk in self.images))


class Prefixes:
    """The features after the first blocks of children, by key; of those used longest ago only what `memory` holds."""

    def __init__(self, memory: int) -> None:
        self.memory, self.size = memory, 0
        self.kept: OrderedDict[bytes, Features] = OrderedDict()

    def keep(self, key: bytes, features: Features, sparing: Collection[bytes]) -> None:
        """Keep `features`, in place of any but those `sparing`; where these leave no room, do not."""
        others = [old for old in self.kept if old not in sparing]
        if self.size - sum(self.kept[old].size for old in others) + features.size > self.memory:
            return
        for old in others:
            if self.size + features.size <= self.memory:
                break
            self.size -= self.kept.pop(old).size
        self.kept[key] = features
        self.size += features.size

    def longest(self, keys: Sequence[bytes]) -> tuple[int, Features | None]:
        """How many of `keys`, those of a child from its first block on, the longest kept one is, and its features."""
        known = next((length for length in range(len(keys), 0, -1) if keys[length - 1] in self.kept), 0)
        return known, self.kept[keys[known - 1]] if known else None

    def touch(self, keys: Sequence[bytes]) -> None:
        """Those of `keys` that are kept were just used, the shortest, which most children share, last of all."""
        for key in reversed(keys):
            if key in self.kept:
                self.kept.move_to_end(key)


class Inherited:
    """The children of `supernet`, which is any module with a Supernet's `space` and `extract`, scored on `held`.

    `calibration`, uint8 (M, 3, H, W), are the training images that each child takes its BatchNorm statistics of, as one
    batch; they and `held` are shown to a child at its own resolution. `supernet` may be trained on between calls: what
    is kept is known by its weights. Besides the `memory` that is kept, in bytes, the features of all images before
    and after one block are held. Raises `InputError` for another `by`.
    """

    def __init__(
        self,
        supernet: Supernet,
        calibration: torch.Tensor,
        held: Split,
        dataset: Dataset,
        by: By = "accuracy",
        memory: int = MEMORY,
    ) -> None:
        if by not in ("accuracy", "loss"):
            raise InputError(f"children are scored by accuracy or loss, not by {by!r}")
        self.supernet, self.labels, self.by = supernet, held.labels, by
        device = next(supernet.parameters()).device
        images = dataset.normalise(held.images).to(device).split(CHUNK)
        self.start = Features(dataset.normalise(calibration).to(device), images)
        self.prefixes = Prefixes(memory)

    def __call__(self, archs: Sequence[Arch]) -> list[float]:
        """The score of the child of each of `archs`, the larger the better."""
        return [self._score(answers) for answers in self.logits(archs)]

    @torch.inference_mode()
    def logits(self, archs: Sequence[Arch]) -> list[torch.Tensor]:
        """The answers of the child of each of `archs` to the held-out images: float32 (N, classes) on the CPU."""
        found = {arch: self._answers(arch) for arch in sorted(set(archs))}  # sorted, so that beginnings are shared
        return [found[arch] for arch in archs]

    def _answers(self, arch: Arch) -> torch.Tensor:
        child = self.supernet.extract(arch)
        keys = list(_keys(child))
        known, features = self.prefixes.longest(keys)
        if features is None:
            features = self.start.at(child.net.resolution)
        for depth in range(known, len(child)):
            features = features.through(child[depth])
            self.prefixes.keep(keys[depth], features, sparing=keys)
        self.prefixes.touch(keys)
        return torch.cat(features.images).float().cpu()

    def _score(self, answers: torch.Tensor) -> float:
        if self.by == "accuracy":
            return accuracy(answers, self.labels)
        return -cross_entropy(answers, self.labels).item()


def _keys(child: Network) -> Iterator[bytes]:
    """A digest, for each block in order, of it and of all before it, with their weights."""
    digest = hashlib.sha256(str(child.net.resolution).encode())
    for block, module in zip(child.net.chain, child, strict=True):
        digest.update(repr(block).encode())
        for weight in module.parameters():
            digest.update(weight.detach().cpu().flatten().view(torch.uint8).numpy())
        yield digest.digest()
