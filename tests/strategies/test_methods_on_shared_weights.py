"""Every method that trains shared weights, on real ones: it learns, and a cut changes nothing."""

import pytest
import torch
from toys import Linear, build, elastic

from hwnas.nn.state import load_state, save_state
from hwnas.nn.supernet import Supernet
from hwnas.strategies.limit import Limit
from hwnas.strategies.loops import LearnerSetup, Schedule, SharedLoop
from hwnas.strategies.methods import METHODS
from hwnas.strategies.objectives import loss, reward

SCHEDULE = Schedule(warmup_steps=2, steps=5, batch_size=6)
TRAINS = [name for name, method in METHODS.items() if method.kind != "black box"]
LEARNS = [name for name in TRAINS if METHODS[name].kind != "one-shot"]


class Cost(Linear):
    """1 ms and more for each architecture of the elastic space."""

    def cost(self, archs):
        return 1 + super().cost(archs)

    def expected(self, probs):
        return 1 + super().expected(probs)


def batches(kind):
    def batch(step):
        generator = torch.Generator().manual_seed(10 * step + kind)
        return torch.randn(6, 3, 8, 8, generator=generator), torch.randint(5, (6,), generator=generator)

    return batch


def loop_of(name, seed=0, history=lambda *row: None):
    method, space, cost = METHODS[name], elastic(), Cost(elastic())
    if method.kind == "one-shot":
        paths = method.build_path_sampler(space, method.configure(), 0)
        supernet = paths.supernet(method.sharing)
    else:
        learner = build(name, Limit(space, cost.cost), seed=seed, budget=SCHEDULE.arch_steps)
        objective = (loss if method.kind == "gradient" else reward)(method.objective)
        paths = LearnerSetup(learner, objective, cost, 1.4, batches(1))
        supernet = Supernet(space, 0, method.sharing)
    generator = torch.Generator().manual_seed(seed)
    for value in supernet.parameters():  # residual branches begin at 0, and then change nothing yet
        value.data += 0.1 * torch.randn(value.shape, generator=generator)
    return SharedLoop(supernet, paths, SCHEDULE, batches(0), history=history)


def leaves(state, skipped=("seconds", "own")):
    """Every tensor and number of a state, in order; not how long it took."""
    if isinstance(state, dict):
        return [leaf for name, part in state.items() if name not in skipped for leaf in leaves(part)]
    if isinstance(state, list | tuple):
        return [leaf for part in state for leaf in leaves(part)]
    return [state]


@pytest.mark.parametrize("name", TRAINS)
def test_a_run_through_a_file_ends_to_the_bit_as_one_that_was_not_cut(name, tmp_path):
    whole = loop_of(name)
    whole.run(tmp_path / "whole")
    stopped = loop_of(name)
    for _ in range(4):
        stopped.step()
    save_state(tmp_path / "state", stopped.state_dict())
    resumed = loop_of(name, seed=3)
    resumed.run(tmp_path / "state")
    pairs = zip(*(leaves(load_state(tmp_path / file)) for file in ("whole", "state")), strict=True)
    assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("name", LEARNS)
def test_it_learns_on_a_space_with_shared_choices_and_leaves_torch_s_random_state_alone(name):
    rows = []
    loop = loop_of(name, history=lambda *row: rows.append(row))
    before, state = loop.setup.learner.distribution(), torch.get_rng_state()
    for _ in range(SCHEDULE.total):
        loop.step()
    after = loop.setup.learner.distribution()
    assert not torch.equal(after, before)
    assert after.sum(1).tolist() == pytest.approx([1] * len(after), abs=1e-5)
    assert {step for step, _, _ in rows} == set(range(1, SCHEDULE.arch_steps + 1))
    assert all(elastic().check(arch) == arch for _, arch, _ in rows)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.isfinite(value).all() for value in loop.supernet.parameters())
    assert 0 < loop.overhead < 1
