"""Batches of augmented images by timm's and torchvision's parts, each a function of the step alone."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..install import require
from .batches import Batches
from .data import Dataset
from .recipe import Augmentation, Recipe
from .seeds import Seeds, draw_seeds, kept_random_state, seed_all
from .splits import Images

INTERPOLATION = "random"
"""Of crops and policies: bilinear or bicubic by chance, timm's default. Validation and deployment stay bilinear."""

Batch = tuple[torch.Tensor, torch.Tensor]
IMAGE, ERASING, MIXING = 2, 3, 4
"""What follows the seed in the key of random numbers; `Batches` has 0 and 1."""


class AugmentedBatches(Batches):
    """`batches(step)` gives images, float32 (rows, 3, S, S) normalised and channels_last, and their labels.

    Labels are int64 (rows,), or where `recipe.mixes` shares of classes, float32 (rows, classes). What happens to an
    image depends on `seed`, `step` and its position in the batch, whatever process makes it and however many ranks
    share the batch. timm draws from the global random numbers of Python, numpy and torch: they are set for each image,
    and after the batch are as they were, so no other thread of the process may draw from them meanwhile.

    Where images are mixed, those at positions 2k and 2k + 1 are partners, on one rank: `rows` then deals out pairs.
    Raises `InputError` ("training.policy") for a policy that timm does not know.
    """

    def __init__(self, split: Images, dataset: Dataset, recipe: Recipe, seed: int, rows: slice = slice(None)) -> None:
        super().__init__(split, dataset, recipe.batch_size, seed, rows=rows, shift=recipe.shift, mirror=recipe.mirror)
        self.recipe = recipe
        self.positions = deal(recipe.batch_size, rows, in_pairs=recipe.mixes)
        self.transform = _transform(recipe, split.resolution, dataset.mean)
        self.erase = _erasing(recipe)
        self.mix = _mixing(recipe, len(dataset.labels))

    def __call__(self, step: int) -> Batch:
        """The batch of update `step`, counted from 0 over all epochs."""
        chosen = self._indices(step)[self.positions]
        with kept_random_state():
            images, labels = self.dataset.normalise(self._pixels(step, chosen)), self.split.labels[chosen]
            if self.erase is not None:
                for image, seeds in zip(images, self._seeds(ERASING, step), strict=True):
                    seed_all(seeds)
                    self.erase(image)
            if self.mix is not None:
                seed_all(draw_seeds(1, self.seed, MIXING, step)[0])
                images, labels = self.mix(images, labels)
        return images, labels

    def _pixels(self, step: int, chosen: torch.Tensor) -> torch.Tensor:
        """The images `chosen`, uint8 (rows, 3, S, S), as they are shown in the batch of `step` before any is erased."""
        pictures: Iterator[Any]
        if self.recipe.crop:
            pictures = (self.split.picture(index, self.split.resolution) for index in chosen.tolist())
        else:
            moved = self._augment(chosen, np.random.default_rng((self.seed, 1, step)))
            if self.transform is None:
                return moved
            pictures = map(require("PIL.Image").fromarray, moved.permute(0, 2, 3, 1).contiguous().numpy())
        assert self.transform is not None, "a crop is a transform"
        made = []
        for picture, seeds in zip(pictures, self._seeds(IMAGE, step), strict=True):
            seed_all(seeds)
            made.append(np.asarray(self.transform(picture)))
        return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)

    def _seeds(self, what: int, step: int) -> list[Seeds]:
        """Those of each image of this rank, by its position in the batch of `step`."""
        drawn = draw_seeds(self.batch_size, self.seed, what, step)
        return [drawn[position] for position in self.positions]


def deal(batch_size: int, rows: slice, in_pairs: bool) -> np.ndarray:
    """The positions in a batch of the `rows` that one rank makes.

    In pairs, the first of each come first and their partners after them in reverse: timm mixes image i of n with image
    n - 1 - i.
    """
    if not in_pairs:
        return np.arange(batch_size)[rows]
    pairs = np.arange(batch_size // 2)[rows]
    return np.concatenate([2 * pairs, 2 * pairs[::-1] + 1])


def _transform(recipe: Augmentation, size: int, mean: tuple[float, ...]) -> Callable[[Any], Any] | None:
    """From a PIL image to one of `size` pixels a side and other colours: cropped and mirrored where there is a crop, of
    which the image may have any size; None where nothing of this is asked for."""
    if not (recipe.crop or recipe.policy or recipe.jitter):
        return None
    factory, policy = require("timm.data.transforms_factory"), recipe.policy
    ignored = [part for part in policy.split("-")[1:] if not re.fullmatch(r"[a-z]+\d[\d.]*", part)]
    try:
        if ignored:  # by timm, without a word
            raise ValueError(f"no number in {', '.join(ignored)}")
        crop, change, _ = factory.transforms_imagenet_train(
            size,
            separate=True,
            scale=recipe.crop,
            ratio=recipe.crop_ratio,
            hflip=0.5 if recipe.mirror else 0.0,
            color_jitter=recipe.jitter or None,
            force_color_jitter=True,
            auto_augment=policy if policy not in ("", "trivial") else None,
            interpolation=INTERPOLATION,
            mean=mean,
        )
    except (AssertionError, KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"timm knows no policy {policy!r} ({error}): write rand-m9-mstd0.5, augmix-m3-w3, original or trivial",
            code="training.policy", policy=policy,
        ) from None  # fmt: skip
    transforms = require("torchvision.transforms.v2")
    trivial = [transforms.TrivialAugmentWide()] if policy == "trivial" else []
    whole: Callable[[Any], Any] = require("torchvision.transforms").Compose(
        [*(crop.transforms if recipe.crop else ()), *trivial, *change.transforms]
    )
    return whole


def _erasing(recipe: Augmentation) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """timm's random erasing by noise, of one normalised image (3, S, S) in place."""
    if not recipe.erasing:
        return None
    erase: Callable[[torch.Tensor], torch.Tensor] = require("timm.data.random_erasing").RandomErasing(
        recipe.erasing, mode="pixel", device="cpu"
    )
    return erase


def _mixing(recipe: Recipe, classes: int) -> Callable[[torch.Tensor, torch.Tensor], Batch] | None:
    """timm's mixup and cutmix of a batch with itself in reverse, by one share for all of it; labels are smoothed."""
    if not recipe.mixes:
        return None
    mix: Callable[[torch.Tensor, torch.Tensor], Batch] = require("timm.data").Mixup(
        recipe.mixup, recipe.cutmix, prob=recipe.mixing, label_smoothing=recipe.label_smoothing, num_classes=classes
    )
    return mix


def make_batches(split: Images, dataset: Dataset, recipe: Recipe, seed: int, rows: slice = slice(None)) -> Batches:
    """The batches of a training by `recipe`: those of arrays alone where images are only shifted and mirrored."""
    if recipe.moves_only:
        return Batches(split, dataset, recipe.batch_size, seed, shift=recipe.shift, rows=rows, mirror=recipe.mirror)
    return AugmentedBatches(split, dataset, recipe, seed, rows)
