import hashlib
import pickle
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from hwnas.errors import InputError
from hwnas.testing import refused
from hwnas.training.augment import AugmentedBatches, make_batches
from hwnas.training.batches import Batches
from hwnas.training.recipe import Recipe
from hwnas.training.splits import Split


def same(a, b):
    return torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_a_batch_depends_on_the_seed_and_the_step_alone(dataset):
    batches = Batches(dataset.train, dataset, 10, seed=3, shift=1 / 8)
    seen = [batches(step) for step in range(9)]
    torch.rand(1)
    again = Batches(dataset.train, dataset, 10, seed=3, shift=1 / 8)
    assert all(same(seen[step], again(step)) for step in (8, 0, 5, 3))
    other = Batches(dataset.train, dataset, 10, seed=4)
    assert not same(seen[0], other(0))
    assert not same(seen[0], seen[4])  # the first batches of two epochs


def test_an_epoch_shows_every_image_once_in_a_new_order(dataset):
    batches = Batches(dataset.train, dataset, 12, seed=0, augment=False)
    assert batches.per_epoch == 4
    whole = dataset.normalise(dataset.train.images)
    orders = []
    for epoch in range(2):
        shown = torch.cat([batches(4 * epoch + step)[0] for step in range(4)])
        orders.append([int((whole - image).flatten(1).norm(dim=1).argmin()) for image in shown])
        assert sorted(orders[-1]) == list(range(48))
    assert orders[0] != orders[1]


def test_images_are_normalised_channels_last_floats_with_their_labels(dataset):
    images, labels = Batches(dataset.train, dataset, 16, seed=0)(0)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert images.shape == (16, 3, 8, 8)
    assert images.is_contiguous(memory_format=torch.channels_last)
    back = images * torch.tensor(dataset.std)[:, None, None] + torch.tensor(dataset.mean)[:, None, None]
    assert torch.equal(back.mean((2, 3)).argmax(1), 2 - labels)  # blue is class 0 and channel 2


@pytest.mark.parametrize("flip", [True, False])
def test_an_augmented_image_is_a_shifted_and_only_if_sensible_mirrored_one(dataset, flip):
    unit = replace(dataset, mean=(0.0,) * 3, std=(1 / 255,) * 3, flip=flip)
    originals = torch.nn.functional.pad(unit.train.images, (1, 1, 1, 1)).float()
    windows = originals.unfold(2, 8, 1).unfold(3, 8, 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    batches = Batches(unit.train, unit, 48, seed=0, shift=1 / 8)
    mirrored = shifts = 0
    for image in torch.round(batches(0)[0]):
        found = [(windows == candidate).all((1, 2, 3)).nonzero() for candidate in (image, image.flip(2))]
        assert found[0].numel() or (flip and found[1].numel())
        mirrored += not found[0].numel()
        shifts += int(next(place[0] for place in found if place.numel())) % 9 != 4
    assert (8 < mirrored < 40) if flip else mirrored == 0
    assert shifts > 30  # 8 of 9 places are not the middle


def test_batches_are_those_of_earlier_versions(dataset):
    """So that a seed gives the same training: the digest is of batches made by torch's own padding and indexing."""
    digest = hashlib.sha256()
    for size, seed, shift in ((16, 0, 0), (16, 5, 1 / 8), (7, 2, 0.3)):
        batches = Batches(dataset.train, dataset, size, seed, shift=shift)
        for step in (0, 1, batches.per_epoch, 2 * batches.per_epoch + 1):
            images, labels = batches(step)
            digest.update(images.numpy().tobytes() + labels.numpy().tobytes())
    assert digest.hexdigest()[:16] == "60c45f2a38fb32fc"


def test_grey_and_strided_images_give_the_same_batches(dataset):
    """Named sets keep grey images as a view of one channel, and CIFAR-10 as a view with the channels last."""
    grey = dataset.train.images[:, :1]
    strided = dataset.train.images.contiguous(memory_format=torch.channels_last)
    for view, plain in ((grey.expand(-1, 3, -1, -1), grey.repeat(1, 3, 1, 1)), (strided, dataset.train.images)):
        both = [
            Batches(Split(images, dataset.train.labels), dataset, 16, seed=0, shift=1 / 8) for images in (view, plain)
        ]
        assert same(both[0](0), both[1](0))
        assert both[0](0)[0].is_contiguous(memory_format=torch.channels_last)


def test_an_image_is_augmented_in_another_way_in_every_epoch(dataset):
    one = dataset.train.take(np.array([0]))
    batches = Batches(one, dataset, 1, seed=0, shift=1 / 8)
    assert len({batches(step)[0].numpy().tobytes() for step in range(20)}) > 10  # of 18 that there are


@pytest.mark.parametrize("size", [0, 49])
def test_less_than_one_batch_is_refused(dataset, size):
    with refused("training.batch-size", batch_size=size, images=48):
        Batches(dataset.train, dataset, size, seed=0)


@pytest.mark.parametrize("augment", [True, False])
def test_rows_of_a_batch_are_those_of_the_whole_batch(dataset, augment):
    whole, *parts = (
        Batches(dataset.train, dataset, 12, seed=0, augment=augment, shift=1 / 8, rows=rows)
        for rows in (slice(None), slice(0, None, 3), slice(1, None, 3), slice(2, None, 3))
    )
    for step in (0, 5):
        images, labels = whole(step)
        for rank, part in enumerate(parts):
            assert same(part(step), (images[rank::3], labels[rank::3]))


AUGMENTED = Recipe(batch_size=12, shift=0.25, mirror=True, policy="rand-m9-mstd0.5", jitter=0.3, erasing=0.5)
MIXED = Recipe(batch_size=12, crop=(0.3, 1), policy="trivial", mixup=0.2, cutmix=1.0)


@pytest.mark.parametrize("recipe", [AUGMENTED, MIXED, Recipe(batch_size=12, policy="augmix-m3-w3")])
def test_an_augmented_batch_is_a_function_of_the_step_and_leaves_random_numbers_alone(dataset, recipe):
    batches = make_batches(dataset.train, dataset, recipe, seed=3)
    first = batches(5)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    again = pickle.loads(pickle.dumps(batches))(5)
    assert same(first, again)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[:2]
    assert torch.equal(torch.get_rng_state(), before[2])
    assert not same(first, batches(9))  # the same place in the next epoch
    assert not same(first, make_batches(dataset.train, dataset, recipe, seed=4)(5))
    assert first[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("recipe", [AUGMENTED, MIXED])
def test_ranks_share_an_augmented_batch_and_partners_are_on_one_rank(dataset, recipe):
    images, labels = make_batches(dataset.train, dataset, recipe, seed=0)(3)
    parts = [make_batches(dataset.train, dataset, recipe, 0, slice(rank, None, 3))(3) for rank in range(3)]
    assert [len(part[0]) for part in parts] == [4, 4, 4]
    assert sorted(map(digest_of, images)) == sorted(digest_of(image) for part in parts for image in part[0])
    assert torch.cat([part[1] for part in parts]).double().sum() == pytest.approx(labels.double().sum().item())


def digest_of(image):
    return hashlib.sha256(image.contiguous().numpy().tobytes()).hexdigest()


def test_without_augmentation_the_images_are_those_of_validation(dataset):
    recipe = Recipe(batch_size=16, mixup=0.2, mixing=0.0, jitter=1e-9)
    assert not recipe.mixes
    images, labels = make_batches(dataset.train, dataset, recipe, seed=0)(1)
    plain = Batches(dataset.train, dataset, 16, seed=0, augment=False)(1)
    assert isinstance(make_batches(dataset.train, dataset, recipe, 0), AugmentedBatches)
    torch.testing.assert_close(images, plain[0], rtol=0, atol=1.01 / 255 / min(dataset.std))
    assert torch.equal(labels, plain[1])


def test_mixed_labels_are_shares_of_two_smoothed_classes(dataset):
    recipe = Recipe(batch_size=12, mixup=1.0, label_smoothing=0.1)
    labels = make_batches(dataset.train, dataset, recipe, seed=0)(0)[1]
    assert labels.shape == (12, 3)
    torch.testing.assert_close(labels.sum(1), torch.ones(12))
    assert labels.min().item() == pytest.approx(0.1 / 3)
    loss = recipe.make_loss()(torch.zeros(12, 3), labels)
    assert loss.item() == pytest.approx(np.log(3))


def test_an_image_is_mirrored_if_the_recipe_says_so(dataset):
    for mirror in (True, False):
        recipe = Recipe(batch_size=48, mirror=mirror, erasing=1e-9)
        whole = Batches(dataset.train, dataset, 48, seed=0, augment=False)
        shown, plain = make_batches(dataset.train, dataset, recipe, seed=0)(0)[0], whole(0)[0]
        turned = sum(not torch.equal(a, b) for a, b in zip(shown, plain, strict=True))
        assert (12 < turned < 36) if mirror else turned == 0


@pytest.mark.parametrize(
    "wrong",
    [{"crop": (0.5, 0.1)}, {"crop": (0, 1)}, {"crop": (0.1, 2)}, {"crop": (0.5, 1), "shift": 0.1}, {"accumulation": 40},
     {"mixup": 0.2, "batch_size": 7}, {"betas": "0.9"}, {"schedule": "linear"}],
)  # fmt: skip
def test_what_cannot_be_augmented_is_refused(wrong):
    with pytest.raises(InputError):
        Recipe.parse(wrong)
