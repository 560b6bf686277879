"""PNAS: what each level looks at, on problems whose levels can be listed."""

import numpy as np
from toys import Linear, elastic, every, limited, make, run, space

from hwnas.space.registry import get
from hwnas.strategies.limit import Limit
from hwnas.strategies.samplers.pnas import Pnas, repeat_decided


def test_what_is_not_decided_repeats_what_is():
    """Slots of 3, 5 and 2 options: where a slot has no such option, that of the slot before it counts."""
    toy = space(3, 5, 5, 2, 5)
    rows = repeat_decided(np.array([(1, 4, 0, 0, 0), (2, 3, 0, 0, 0)]), 2, toy)
    assert rows.tolist() == [[1, 4, 4, 1, 4], [2, 3, 3, toy.smallest[3], 3]]
    assert repeat_decided(rows, 5, toy).tolist() == rows.tolist()


def test_choices_repeat_those_whose_names_differ_in_numbers():
    toy = elastic()
    names = [slot.name for slot in toy.slots]
    assert names == ["width", "layer 1 kernel", "depth", "layer 2 kernel"]
    (row,) = repeat_decided(np.array([(1, 2, 0, 0)]), 2, toy).tolist()
    assert row == [1, 2, toy.smallest[2], 2]


def test_blocks_are_as_equal_as_can_be_and_no_more_than_slots():
    macro = get("nas-bench-macro")
    assert np.diff(make(Pnas, Limit.none(macro), seed=0, budget=100).ends).tolist() == [2, 2, 1, 2, 1]
    toy = space(2, 2, 2)
    assert make(Pnas, Limit.none(toy), seed=0, budget=100).ends == [0, 1, 2, 3]


def test_the_levels_of_a_beam():
    """Three slots of four options and a beam of 4: all of level 1, then children of those, then children of these."""
    toy = space(4, 4, 4)
    sampler = make(Pnas, Limit.none(toy), seed=0, budget=12, levels=3)
    assert sampler.beam == 4
    first, second, third = (run(sampler, Linear(toy).score, 4) for _ in range(3))
    assert set(first) == {(i, i, i) for i in range(4)}
    assert all(b == c and a != b for a, b, c in second)
    assert {arch[:2] for arch in third} <= {arch[:2] for arch in second}
    assert all(c != b for _, b, c in third)


def test_a_beam_keeps_what_the_surrogate_expects_most_of():
    """Once level 1 has shown each option of all slots, level 2 is among the best quarter on average."""
    toy = space(6, 6, 6, 6)
    score = Linear(toy)
    sampler = make(Pnas, Limit.none(toy), seed=0, budget=200, levels=2, beam=36)
    first, second = run(sampler, score.score, 36), run(sampler, score.score, 36)
    assert set(first) == {(a, b, b, b) for a in range(6) for b in range(6)}
    assert score.cost(second).mean() > np.quantile(score.cost(every(toy)), 0.75)
    assert score.score(sampler.best()) > np.quantile(score.cost(every(toy)), 0.97)


def test_goes_on_with_the_neighbours_of_the_best():
    toy = space(3, 3, 3)
    sampler = make(Pnas, Limit.none(toy), seed=0, budget=9, levels=3, beam=2)
    run(sampler, Linear(toy).score, 6)
    best = sampler.finalists(2, sampler.limit)
    near = {other for arch in best for other in toy.neighbours(arch)}
    assert set(run(sampler, Linear(toy).score, 2)) <= near


def test_children_outside_the_limit_are_mended():
    toy = space(4, 3, 5, 2, 4)
    limit = limited(toy, "band")
    sampler = make(Pnas, limit, seed=0, budget=100)
    sampler.level = 1
    children = sampler._children()
    before, mended = limit.allows(children), sampler._allowed(children)
    assert 0 < before.sum() < len(children) == len(mended)
    assert limit.allows(mended).all()
    assert [one for one, kept in zip(mended, before, strict=True) if kept] == limit.filter(children)


def test_of_too_many_children_some_are_drawn():
    space_ = get("mobilenetv3")
    sampler = make(Pnas, Limit.none(space_), seed=0, budget=50)
    asked = run(sampler, lambda arch: float(sum(arch)), 10)
    assert len(set(asked)) == 10
    kernels = [i for i, slot in enumerate(space_.slots) if slot.name.endswith("kernel")]
    last = max(i for i in kernels if i < sampler.ends[1])
    assert all(arch[i] == arch[last] for arch in asked for i in kernels if i > last)
