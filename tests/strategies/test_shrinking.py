"""Progressive shrinking: which options are released when, read off the blocks of any space."""

from itertools import pairwise

import pytest
from toys import make_paths

from hwnas.nn.gates import one_hot
from hwnas.space import registry
from hwnas.space.space import Choice
from hwnas.strategies.path_samplers.shrinking import EPOCHS, STARTS, ProgressiveShrinking

STAGES = range(6)
"""The largest; kernels; depth in two; widths in two."""


def released(path_sampler, slot):
    """The options of `slot` in each stage."""
    return [path_sampler.options(slot, stage) for stage in STAGES]


@pytest.fixture(scope="module")
def elastic():
    return make_paths(ProgressiveShrinking, registry.get("mobilenetv3-32"), seed=0)


@pytest.fixture(scope="module")
def chain():
    return make_paths(ProgressiveShrinking, registry.get("proxyless-32"), seed=0)


def test_the_stages_are_as_long_as_published():
    assert EPOCHS == (180, 125, 25, 125, 25, 125)
    assert [ProgressiveShrinking.stage(start) for start in STARTS] == list(STAGES)
    assert [ProgressiveShrinking.stage(start - 1e-9) for start in STARTS[1:]] == list(STAGES[:-1])
    assert ProgressiveShrinking.stage(1.0) == 5
    assert [605 * start for start in STARTS] == pytest.approx([0, 180, 305, 330, 455, 480])


def test_choices_of_an_elastic_space_are_released_by_their_kind(elastic):
    """Kernels 3, 5, 7; depths 1, 2, 3; expansions 3, 4, 6; two widths; images of two sizes, free from the start."""
    expected = {
        "kernel": [[2], [0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2]],
        "depth": [[2], [2], [1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2]],
        "expansion": [[2], [2], [2], [2], [1, 2], [0, 1, 2]],
        "width": [[1], [1], [1], [1], [0, 1], [0, 1]],
        "resolution": [[0, 1]] * 6,
    }
    seen = set()
    for slot, choice in enumerate(elastic.space.slots):
        kind = choice.name.split()[-1]
        assert released(elastic, slot) == expected[kind], choice.name
        seen.add(kind)
    assert seen == set(expected)


def test_candidates_of_a_slot_are_released_with_the_last_of_their_changes(chain):
    """They are kernel 3, 5 and 7, each with expansion 3 and 6, and skip where it can be one."""
    for slot, slot_of in enumerate(chain.space.slots):
        skip = [6] * (len(slot_of.candidates) == 7)
        wide = [[5], [1, 3, 5], [1, 3, 5, *skip], [1, 3, 5, *skip]]
        assert released(chain, slot) == [*wide, [*range(6), *skip], [*range(6), *skip]]


@pytest.mark.parametrize("name", registry.SPACES)
def test_the_largest_alone_is_there_at_first_and_everything_at_the_end(name):
    path_sampler = make_paths(ProgressiveShrinking, registry.get(name), seed=0)
    for slot, (n, largest) in enumerate(zip(path_sampler.space.choices, path_sampler.space.largest, strict=True)):
        stages = released(path_sampler, slot)
        assert largest in stages[0]
        assert stages[5] == list(range(n))
        resolution = getattr(path_sampler.space.slots[slot], "name", "") == "resolution"
        assert resolution == (slot in path_sampler.sizes)
        assert all(set(fewer) <= set(more) for fewer, more in pairwise(stages))


@pytest.mark.parametrize("space", ["elastic", "chain"])
def test_each_stage_draws_what_is_released_uniformly_and_as_often_as_published(space, request):
    path_sampler = request.getfixturevalue(space)
    for stage, (start, drawn) in enumerate(zip(STARTS, (0, 1, 2, 2, 4, 4), strict=True)):
        seen = [set() for _ in path_sampler.space.slots]
        for step in range(60):
            training_paths = path_sampler.training_paths(start, step)
            first, *others = [tuple(gate.indices[0] for gate in path) for path in training_paths.paths]
            assert len(others) == drawn
            assert training_paths.distil
            assert training_paths.paths[0] == one_hot(first)
            for slot, index in enumerate(first):
                resolution = isinstance(path_sampler.space.slots[slot], Choice) and slot in path_sampler.sizes
                assert resolution or index == path_sampler.space.largest[slot]
                assert not resolution or all(arch[slot] == index for arch in others)
                seen[slot] |= {arch[slot] for arch in (others or [first])}
        assert [sorted(found) for found in seen] == [path_sampler.options(slot, stage) for slot in range(len(seen))]


def test_without_distillation_the_drawn_learn_the_labels_and_the_largest_only_in_its_stage(chain):
    path_sampler = make_paths(ProgressiveShrinking, chain.space, seed=0, distil=False)
    for part, count in ((0.0, 1), (0.4, 1), (0.6, 2), (1.0, 4)):
        training_paths = path_sampler.training_paths(part, 3)
        assert not training_paths.distil
        assert len(training_paths.paths) == count
    taught = chain.training_paths(0.6, 3)
    assert taught.paths[1:] == path_sampler.training_paths(0.6, 3).paths


def test_a_path_sampler_depends_on_the_seed_and_the_step_alone(chain):
    again = make_paths(ProgressiveShrinking, chain.space, seed=0)
    other = make_paths(ProgressiveShrinking, chain.space, seed=1)
    assert [chain.training_paths(0.9, step) for step in range(5)] == [
        again.training_paths(0.9, step) for step in range(5)
    ]
    assert (
        len({str(path_sampler.training_paths(0.9, step)) for path_sampler in (chain, other) for step in range(5)}) == 10
    )
