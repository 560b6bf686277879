"""Children of a supernet scorerd by what they inherit: the same as one by one, and with less work."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from hwnas.nn.supernet import Supernet
from hwnas.space.net import Block
from hwnas.space.space import Choice, Elastic, SearchSpace, Slot
from hwnas.testing import refused
from hwnas.training.batches import Batches
from hwnas.training.evaluate import logits, recalibrate, top1
from hwnas.training.inherited import Features, Inherited

SIZES = (6, 8)


def plain_space():
    """Three slots of two MBConvs and a skip on 8 px."""
    convs = [Block("mbconv", 8, 8, 8, 8, k, 1, 2, act="relu6", residual=True) for k in (3, 5)]
    slot = Slot((*convs, Block("skip", 8, 8, 8, 8)))
    return SearchSpace("s", (Block("conv", 3, 8, 8, 8, 3, act="relu6"), *[slot] * 3, Block("classifier", 8, 3, 8, 8)))


def elastic_space():
    """Resolution, and the kernel and the presence of one layer, are choices."""
    size, kernel, depth = Choice("resolution", ("6", "8")), Choice("kernel", ("3", "5")), Choice("depth", ("1", "2"))

    def layer(d, s, k):
        return Block("mbconv", 8, 8, s, s, k, 1, 2, act="relu", residual=True) if d else Block("skip", 8, 8, s, s)

    stem = Elastic.of((size,), lambda s: Block("conv", 3, 8, SIZES[s], SIZES[s], 3, act="hswish"))
    middle = Elastic.of((depth, size, kernel), lambda d, s, k: layer(d, SIZES[s], (3, 5)[k]))
    return SearchSpace(
        "e", (stem, middle, Elastic.of((size,), lambda s: Block("classifier", 8, 3, SIZES[s], SIZES[s])))
    )


SPACES = [plain_space(), elastic_space()]


def every(space):
    return list(product(*map(range, space.choices)))


@pytest.fixture
def make(dataset, awake):
    """A function of a space to a supernet of it and its children's scorer."""

    def make_one(space, **options):
        torch.manual_seed(0)
        supernet = awake(Supernet(space, seed=1, sharing="collapsed"))
        return supernet, Inherited(supernet, dataset.train.images, dataset.test, dataset, **options)

    return make_one


@pytest.mark.parametrize("space", SPACES, ids=["independent", "elastic"])
def test_children_answer_as_each_does_when_it_is_recalibrated_alone(space, make, dataset):
    supernet, scorer = make(space)
    archs = every(space)[::-1]
    batches = Batches(dataset.train, dataset, len(dataset.train), seed=0, augment=False)
    children = [recalibrate(supernet.extract(arch), batches, len(dataset.train)) for arch in archs]
    for answers, child in zip(scorer.logits(archs), children, strict=True):
        torch.testing.assert_close(answers, logits(child, dataset.test, dataset), atol=1e-5, rtol=1e-5)
    assert scorer(archs) == [top1(child, dataset.test, dataset) for child in children]
    assert len({tuple(answers.flatten().tolist()) for answers in scorer.logits(archs)}) >= 6, "they differ"


def test_by_loss_is_minus_the_cross_entropy(make, dataset):
    _, scorer = make(plain_space(), by="loss")
    (answers,) = scorer.logits([(0, 1, 2)])
    assert scorer([(0, 1, 2)]) == pytest.approx([-float(cross_entropy(answers, dataset.test.labels))])
    with refused("training.scored-by", by="luck"):
        make(plain_space(), by="luck")


@pytest.fixture
def runs(monkeypatch):
    """The blocks that are run, in order."""
    found, through = [], Features.through

    def noted(features, block):
        found.append(block.block)
        return through(features, block)

    monkeypatch.setattr(Features, "through", noted)
    return found


def test_what_children_begin_with_in_common_runs_once_also_in_another_call(make, runs):
    _, scorer = make(plain_space())
    scorer([(0, 1, 1), (1, 0, 0), (0, 1, 0)])
    assert len(runs) == 5 + 2 + 4, "stem, three layers and classifier; two; all but the stem"
    scorer([(0, 1, 0), (0, 0, 1)])
    assert len(runs) == 11 + 3
    scorer([(2, 0, 1)])
    assert len(runs) == 14 + 3, "the stem is kept; a skip is nothing"


@pytest.mark.parametrize("memory", [0, 5 * 10**4, 3 * 10**5])
def test_no_more_than_the_memory_is_kept_and_scores_do_not_depend_on_it(memory, make):
    _, scorer = make(plain_space(), by="loss", memory=memory)
    _, plenty = make(plain_space(), by="loss")
    archs = every(plain_space())
    assert scorer(archs) == plenty(archs)
    kept = scorer.cache.features.values()
    assert scorer.cache.size == sum(features.size for features in kept) <= memory
    assert bool(kept) == (memory > 0)


def test_memory_goes_to_what_was_used_last_and_of_that_to_what_most_share(make, runs):
    """A layer's features of 72 images are 147,456 bytes, so 4.5 · 10^5 hold those after the stem and two layers."""
    _, scorer = make(plain_space(), memory=450_000)

    def layers(arch):
        """How many blocks run for `arch`."""
        runs.clear()
        scorer([arch])
        return len(runs)

    assert layers((0, 0, 0)) == 5
    assert layers((1, 2, 2)) == 2, "after the stem; its layer takes the place of the second of the first"
    assert layers((0, 1, 1)) == 3, "after the stem and the first layer; the second takes the other's place"
    assert layers((1, 1, 1)) == 4, "after the stem"


def test_a_supernet_that_is_trained_on_is_scorerd_anew(make, dataset):
    supernet, scorer = make(plain_space(), by="loss")
    before = scorer([(0, 1, 0), (1, 1, 1)])
    with torch.no_grad():
        for weight in supernet.parts[2].parameters():
            weight.add_(0.1)
    after = scorer([(0, 1, 0), (1, 1, 1)])
    assert after == Inherited(supernet, dataset.train.images, dataset.test, dataset, by="loss")([(0, 1, 0), (1, 1, 1)])
    assert before[0] != after[0]


def test_several_supernets_behind_one_are_told_apart(make, awake, dataset):
    """As a few-shot supernet, whose first slot says which of its parts an architecture is of."""

    class Split(nn.Module):
        def __init__(self):
            super().__init__()
            self.space = plain_space()
            self.parts = nn.ModuleList(awake(Supernet(self.space, seed=seed)) for seed in range(3))

        def extract(self, arch):
            return self.parts[arch[2]].extract(arch)

    split = Split()
    scorer = Inherited(split, dataset.train.images, dataset.test, dataset, by="loss")
    for arch, score in zip(every(split.space), scorer(every(split.space)), strict=True):
        alone = Inherited(split.parts[arch[2]], dataset.train.images, dataset.test, dataset, by="loss")
        assert alone([arch]) == [score]
