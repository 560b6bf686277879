"""Batches of augmented images by timm's and torchvision's parts, each a function of the step alone."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..install import require
from .batches import Batches, move
from .data import Dataset
from .recipe import Augmentation, Recipe
from .seeds import kept_random_state, seed_all
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
        self.positions = _deal(recipe.batch_size, rows, in_pairs=recipe.mixes)
        self.crop, self.change = _transforms(recipe, split.resolution, dataset.mean)
        self.erase = _erasing(recipe)
        self.mix = _mixing(recipe, len(dataset.labels))

    def __call__(self, step: int) -> Batch:
        """The batch of update `step`, counted from 0 over all epochs."""
        order = self._indices(step).numpy()
        with kept_random_state():
            made = np.stack([self._image(step, place, int(order[place])) for place in self.positions])
            images = self.dataset.normalise(torch.from_numpy(made).permute(0, 3, 1, 2))
            labels = self.split.labels[torch.from_numpy(order[self.positions])]
            if self.erase is not None:
                for image, place in zip(images, self.positions, strict=True):
                    seed_all(self.seed, ERASING, step, place)
                    self.erase(image)
            if self.mix is not None:
                seed_all(self.seed, MIXING, step)
                images, labels = self.mix(images, labels)
        return images, labels

    def _image(self, step: int, place: int, index: int) -> np.ndarray:
        """The image `index` of the split, uint8 (S, S, 3), as it is shown at `place` in the batch of `step`."""
        seed_all(self.seed, IMAGE, step, place)
        whole = self.split.picture(index, self.split.resolution) if self.recipe.crop else self._shifted(index)
        return np.asarray(self.change(self.crop(whole)))

    def _shifted(self, index: int) -> Any:
        """The whole image as validation feeds it, shifted, as PIL has it."""
        from PIL import Image

        pixels = self.split.fitted(np.array([index])).numpy()[0]
        if self.shift:
            down, right = np.random.randint(-self.shift, self.shift + 1, 2)
            moved = np.zeros_like(pixels)
            move(pixels, moved, down, right)
            pixels = moved
        return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _deal(batch_size: int, rows: slice, in_pairs: bool) -> list[int]:
    """The positions in a batch of the `rows` that one rank makes.

    In pairs, the first of each come first and their partners after them in reverse: timm mixes image i of n with image
    n - 1 - i.
    """
    if not in_pairs:
        return list(range(batch_size))[rows]
    pairs = list(range(batch_size // 2))[rows]
    return [2 * pair for pair in pairs] + [2 * pair + 1 for pair in reversed(pairs)]


def _transforms(recipe: Augmentation, size: int, mean: tuple[float, ...]) -> tuple[Callable[[Any], Any], ...]:
    """From a PIL image to a square one of `size` pixels, mirrored or not, and from that to one of other colours."""
    factory = require("timm.data.transforms_factory")
    arguments: dict[str, Any] = {
        "scale": recipe.crop or (1.0, 1.0),
        "ratio": recipe.crop_ratio if recipe.crop else (1.0, 1.0),  # of a square this crop is the whole
        "hflip": 0.5 if recipe.mirror else 0.0,
        "color_jitter": recipe.jitter or None,
        "interpolation": INTERPOLATION,
        "mean": mean,
    }
    policy = recipe.policy
    arguments |= {"auto_augment": policy if policy not in ("", "trivial") else None, "force_color_jitter": True}
    ignored = [part for part in policy.split("-")[1:] if not re.fullmatch(r"[a-z]+\d[\d.]*", part)]
    try:
        if ignored:  # by timm, without a word
            raise ValueError(f"no number in {', '.join(ignored)}")
        crop, change, _ = factory.transforms_imagenet_train(size, separate=True, **arguments)
    except (AssertionError, KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"timm knows no policy {policy!r} ({error}): write rand-m9-mstd0.5, augmix-m3-w3, original or trivial",
            code="training.policy", policy=policy,
        ) from None  # fmt: skip
    if policy == "trivial":
        trivial = require("torchvision.transforms.v2").TrivialAugmentWide()
        change = require("torchvision.transforms.v2").Compose([trivial, *change.transforms])
    return crop, change


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
