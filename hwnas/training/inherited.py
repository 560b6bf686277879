"""Scores of the children of a supernet by the weights that they inherit, each with BatchNorm statistics of its own.

The statistics of a block depend on the images and on the blocks before it alone, so children that begin with the same
blocks share the features after these, which are cached from child to child up to a limit of memory.
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
from .data import Dataset
from .evaluate import accuracy
from .splits import Images, chunks

By = Literal["accuracy", "loss"]
"""What children are scored by: top-1 (0 to 1), or minus the cross-entropy."""

CHUNK = 500
"""Images per forward pass; results do not depend on it."""

MEMORY = 2**29
"""Bytes of features that are cached from one child to the next."""


@dataclass(frozen=True)
class Features:
    """The input of a block: of the images that its norms are calibrated on, and of the validation images, in chunks."""

    calibration: torch.Tensor
    images: tuple[torch.Tensor, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(values.nbytes for values in (self.calibration, *self.images))

    def at(self, resolution: int) -> "Features":
        """The same images at `resolution` pixels a side."""
        return Features(resized(self.calibration, resolution), tuple(resized(x, resolution) for x in self.images))

    def through(self, block: nn.Module) -> "Features":
        """The output of `block`, whose norms take the statistics of the calibration images."""
        for module in block.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0  # those of this one batch
        calibration = block.train()(self.calibration)
        block.eval()
        return Features(calibration, tuple(block(chunk) for chunk in self.images))


class FeatureCache:
    """The features after the first blocks of children, by key: at most `memory` bytes, those used last."""

    def __init__(self, memory: int) -> None:
        self.memory, self.size = memory, 0
        self.features: OrderedDict[bytes, Features] = OrderedDict()

    def store(self, key: bytes, features: Features, sparing: Collection[bytes]) -> None:
        """Store `features`, in place of any but those of the keys `sparing`; where these leave no room, do not."""
        others = [old for old in self.features if old not in sparing]
        if self.size - sum(self.features[old].size for old in others) + features.size > self.memory:
            return
        for old in others:
            if self.size + features.size <= self.memory:
                break
            self.size -= self.features.pop(old).size
        self.features[key] = features
        self.size += features.size

    def longest(self, keys: Sequence[bytes]) -> tuple[int, Features | None]:
        """The length of the longest cached prefix of a child, whose blocks have these `keys`, and its features."""
        length = next((length for length in range(len(keys), 0, -1) if keys[length - 1] in self.features), 0)
        return length, self.features[keys[length - 1]] if length else None

    def mark_used(self, keys: Sequence[bytes]) -> None:
        """Those of `keys` that are cached were just used, the shortest, which most children share, last of all."""
        for key in reversed(keys):
            if key in self.features:
                self.features.move_to_end(key)


class Inherited:
    """The children of `supernet`, which is any module with a Supernet's `space` and `extract`, scored on `validation`.

    `calibration`, uint8 (M, 3, H, W), are the training images that each child takes its BatchNorm statistics of, as one
    batch; a child gets them and the validation images at its own resolution. `supernet` may be trained on between
    calls: cached features have the weights in their key. Besides `memory` bytes of cache, the features of all images
    before and after one block are in memory. Raises `InputError` ("training.scored-by") for another `by`.
    """

    def __init__(
        self,
        supernet: Supernet,
        calibration: torch.Tensor,
        validation: Images,
        dataset: Dataset,
        by: By = "accuracy",
        memory: int = MEMORY,
    ) -> None:
        if by not in ("accuracy", "loss"):
            raise InputError(
                f"children are scored by accuracy or loss, not by {by!r}", code="training.scored-by", by=by
            )
        self.supernet, self.labels, self.by = supernet, validation.labels, by
        device = next(supernet.parameters()).device
        parts = (validation.fitted(chosen) for chosen in chunks(len(validation), CHUNK))
        images = tuple(dataset.normalise(part).to(device) for part in parts)
        self.start = Features(dataset.normalise(calibration).to(device), images)
        self.cache = FeatureCache(memory)

    def __call__(self, archs: Sequence[Arch]) -> list[float]:
        """The score of the child of each of `archs`, the larger the better."""
        return [self._score(logits) for logits in self.logits(archs)]

    @torch.inference_mode()
    def logits(self, archs: Sequence[Arch]) -> list[torch.Tensor]:
        """The logits of the child of each of `archs` on the validation images: float32 (N, classes) on the CPU."""
        found = {arch: self._child_logits(arch) for arch in sorted(set(archs))}  # sorted, so that beginnings are shared
        return [found[arch] for arch in archs]

    def _child_logits(self, arch: Arch) -> torch.Tensor:
        child = self.supernet.extract(arch)
        keys = list(_keys(child))
        first, features = self.cache.longest(keys)
        if features is None:
            features = self.start.at(child.net.resolution)
        for depth in range(first, len(child)):
            features = features.through(child[depth])
            self.cache.store(keys[depth], features, sparing=keys)
        self.cache.mark_used(keys)
        return torch.cat(features.images).float().cpu()

    def _score(self, logits: torch.Tensor) -> float:
        if self.by == "accuracy":
            return accuracy(logits, self.labels)
        return -cross_entropy(logits, self.labels).item()


def _keys(child: Network) -> Iterator[bytes]:
    """A digest, for each block in order, of it and of all before it, with their weights."""
    digest = hashlib.sha256(str(child.net.resolution).encode())
    for block, module in zip(child.net.chain, child, strict=True):
        digest.update(repr(block).encode())
        for weight in module.parameters():
            digest.update(weight.detach().cpu().flatten().view(torch.uint8).numpy().data)
        yield digest.digest()
