"""Few-shot supernets: one at first, then one for each group of options, which inherit its weights to the bit."""

import pytest
import torch
from learning import small_space
from toys import elastic, make_paths, space

from hwnas.nn.gates import Gate
from hwnas.nn.state import load_state, save_state
from hwnas.nn.supernet import one_hot
from hwnas.space import registry
from hwnas.strategies.path_samplers.few_shot import FewShot
from hwnas.testing import refused

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def path_sampler():
    """Of three slots of four options: those of the middle one in two supernets."""
    return make_paths(FewShot, small_space(), seed=0, slot=1, supernets=2)


@pytest.fixture
def supernet(path_sampler, awake):
    return awake(path_sampler.supernet()).train()


def answers(supernet, *archs):
    return [supernet(IMAGES, one_hot(arch)).detach() for arch in archs]


def disturbed(module, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for value in module.parameters():
        value.data += 0.3 * torch.randn(value.shape, generator=generator)
    return module


ARCHS = [(0, option, 2) for option in range(4)]


def test_before_it_is_divided_it_is_one_supernet(supernet):
    before = answers(supernet, *ARCHS)
    disturbed(supernet.others)
    assert all(map(torch.equal, answers(supernet, *ARCHS), before))
    disturbed(supernet.parts)
    assert not any(map(torch.equal, answers(supernet, *ARCHS), before))


def test_each_part_inherits_to_the_bit_and_then_goes_its_own_way(path_sampler, supernet):
    disturbed(supernet.others)
    before = answers(supernet, *ARCHS)
    path_sampler.prepare(supernet, 0.5)
    assert all(map(torch.equal, answers(supernet, *ARCHS), before))
    disturbed(supernet.parts)
    same = [torch.equal(*pair) for pair in zip(answers(supernet, *ARCHS), before, strict=True)]
    assert same == [False, False, True, True]
    disturbed(supernet.others)
    same = [torch.equal(*pair) for pair in zip(answers(supernet, *ARCHS), before, strict=True)]
    assert same == [False, False, False, False]


def test_it_is_divided_once_at_its_time(path_sampler, supernet):
    path_sampler.prepare(supernet, 0.49)
    assert not supernet.divided
    path_sampler.prepare(supernet, 0.5)
    assert supernet.divided
    disturbed(supernet.others)
    before = answers(supernet, *ARCHS)
    path_sampler.prepare(supernet, 0.6)
    assert all(map(torch.equal, answers(supernet, *ARCHS), before))


@pytest.mark.parametrize("divided", [False, True])
def test_an_extracted_child_answers_as_its_supernet_does(path_sampler, supernet, divided):
    if divided:
        supernet.divide()
        disturbed(supernet)
    for arch in ARCHS:
        child = supernet.extract(arch).train()
        torch.testing.assert_close(child(IMAGES), supernet(IMAGES, one_hot(arch)), rtol=1e-5, atol=1e-5)


def test_options_of_several_parts_do_not_mix(supernet):
    def mixed(*indices):
        gate = Gate(indices, torch.full((len(indices),), 1 / len(indices)), "weighted")
        return supernet(IMAGES, (Gate((0,)), gate, Gate((1,))))

    mixed(1, 2)
    supernet.divide()
    mixed(0, 1)
    mixed(2, 3)
    with pytest.raises(ValueError, match=r"options .* of slot 1 are in several supernets"):
        mixed(1, 2)


@pytest.mark.parametrize("divided", [False, True])
def test_its_state_goes_through_a_file(path_sampler, supernet, divided, tmp_path):
    if divided:
        supernet.divide()
    disturbed(supernet)
    save_state(tmp_path / "state", supernet.state_dict())
    fresh = make_paths(FewShot, small_space(), seed=5, slot=1, supernets=2).supernet().train()
    fresh.load_state_dict(load_state(tmp_path / "state"))
    assert fresh.divided == divided
    assert all(map(torch.equal, answers(fresh, *ARCHS), answers(supernet, *ARCHS)))


def test_the_first_widest_slot_that_mixes_is_divided_with_a_supernet_for_each_option():
    assert make_paths(FewShot, space(2, 4, 3, 4), seed=0).slot == 1
    found = make_paths(FewShot, elastic(), seed=0)
    assert (found.slot, found.groups) == (1, (0, 1, 2))
    large = registry.get("mobilenetv3")
    assert large.slots[make_paths(FewShot, large, seed=0).slot].name == "stage 1 layer 1 kernel"
    assert make_paths(FewShot, space(2, 5), seed=0, slot=1, supernets=2).groups == (0, 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("slot", 2), ("slot", -2), ("supernets", 1), ("supernets", 5), ("split_at", 0.0), ("split_at", 1.0)],
)
def test_constants_out_of_range_are_refused(name, value):
    with refused("constants.out-of-range", name=name, value=value):
        make_paths(FewShot, space(2, 4), **{"slot": 1, name: value})


def test_paths_are_uniform_single_paths(path_sampler):
    paths = [path_sampler.training_paths(0.7, step).paths for step in range(400)]
    assert all(len(path) == 1 for path in paths)
    counts = [sum(path[0][slot].indices == (2,) for path in paths) for slot in range(3)]
    assert counts == pytest.approx([100] * 3, abs=40)
