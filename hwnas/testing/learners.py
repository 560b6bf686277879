"""Hold a learner, which learns beside shared weights, to its contract.

from hwnas.testing import LearnerContract

class TestMine(LearnerContract):
    reference = "my_strategy.py:Mine"
"""

from pathlib import Path
from typing import Any, ClassVar

import torch

from ..nn.gates import gate_at
from ..nn.state import load_state, save_state
from ..strategies.base import TrainingPaths
from ..strategies.limit import Limit
from .strategies import LARGE_SPACES, LIMITED, StrategyContract, global_states, limit_of, toy_step
from .toys import SPACES, ToyStep, limited


class LearnerContract(StrategyContract):
    """What every learner must do."""

    steps: ClassVar[int] = 8
    lessons: ClassVar[int] = 30
    """Steps after which it must have learnt something."""

    def run(self, learner: Any, step: ToyStep, first: int = 0, steps: int | None = None) -> list[Any]:
        """Training paths and architecture steps in turn from step `first`; all that they came to, in figures."""
        seen: list[Any] = []
        for number in range(first, first + (self.steps if steps is None else steps)):
            step.progress = number / self.steps
            step.supernet.zero_grad(set_to_none=True)
            seen.append(_figures(learner.training_paths(number / self.steps)))
            seen.append((learner.learn(step), learner.distribution().tolist()))
        return seen

    def test_what_it_chooses_is_valid_and_within_the_limit(self) -> None:
        """In spaces of independent and of shared decisions, under a limit and in a band."""
        for space in SPACES.values():
            for allowed in LIMITED:
                limit = limited(space, allowed)
                learner = self.build(limit, budget=self.steps)
                seen = [arch for scored, _ in self.run(learner, toy_step(space))[1::2] for arch, _ in scored]
                chosen = [learner.best(), *learner.finalists(5, limit)]
                assert all(isinstance(arch, tuple) and space.check(arch) == arch for arch in [*seen, *chosen])
                assert limit.allows(chosen).all()
                assert len(set(chosen)) == 5
                assert learner.finalists(1, limit) == [learner.best()]

    def test_its_distribution_is_one_over_the_options_that_there_are(self) -> None:
        """Before it learns and after."""
        for space in SPACES.values():
            learner = self.build(Limit.none(space), budget=self.steps)
            for _ in range(2):
                probs = learner.distribution()
                assert probs.shape == (len(space.choices), max(space.choices))
                torch.testing.assert_close(probs.sum(1), torch.ones(len(probs), dtype=probs.dtype))
                assert all(not row[n:].any() for row, n in zip(probs, space.choices, strict=True))
                assert not probs.requires_grad
                self.run(learner, toy_step(space))

    def test_it_learns_what_is_better(self) -> None:
        """Losses and the price of latency, averaged over its distribution, are less after `lessons` steps than before.

        By a tenth of the way from the mean to the best; every learner of hwnas comes a third of it, and most all of it.
        """
        for space in SPACES.values():
            learner, step = self.build(Limit.none(space), budget=self.lessons), toy_step(space)
            before = _expected_loss(step, learner.distribution())
            for number in range(self.lessons):
                step.progress = number / self.lessons
                step.supernet.zero_grad(set_to_none=True)
                learner.learn(step)
            assert _expected_loss(step, learner.distribution()) < before - 0.05

    def test_the_seed_decides_the_run(self) -> None:
        """The same seed gives the same steps, another seed others."""
        for space in SPACES.values():
            limit = limited(space, "band")
            learners = [self.build(limit, seed, self.steps) for seed in (3, 3, 4)]
            one, same, other = (self.run(learner, toy_step(space)) for learner in learners)
            assert one == same != other

    def test_a_run_that_is_saved_and_loaded_goes_on_as_it_would_have(self, tmp_path: Path) -> None:
        """To the same figures: all is in the state, the seed too."""
        limit, cut = limited(SPACES["elastic"], "band"), self.steps // 2 + 1
        step, learner, loaded = toy_step(limit.space), self.build(limit), self.build(limit, seed=9)
        self.run(learner, step, steps=cut)
        save_state(tmp_path / "state", learner.state_dict())
        self.run(loaded, step, steps=2)  # which it forgets
        loaded.load_state_dict(load_state(tmp_path / "state"))
        rest = self.steps - cut
        assert self.run(learner, step, cut, rest) == self.run(loaded, step, cut, rest)
        assert learner.finalists(5, limit) == loaded.finalists(5, limit)

    def test_nothing_global_is_drawn_from_or_kept(self) -> None:
        """Two of them in turn do as each alone does."""
        limit, before = limited(SPACES["elastic"], "hard"), global_states()
        alone = self.run(self.build(limit, budget=self.steps), toy_step(limit.space))
        assert global_states() == before
        one, other = (self.build(limit, seed, self.steps) for seed in (0, 1))
        seen = []
        for number in range(self.steps):
            seen += self.run(one, toy_step(limit.space), number, 1)
            self.run(other, toy_step(limit.space, price=-1.0), number, 1)
        assert seen == alone

    def test_works_on_named_spaces(self) -> None:
        """What it makes run fits everywhere: no options of different shapes are mixed."""
        for name in LARGE_SPACES:
            limit = limit_of(name)
            space, learner = limit.space, self.build(limit, budget=self.steps)
            for path in learner.training_paths(0.2).paths:
                assert len(path) == len(space.slots)
                assert all(gate_at(position, path, space) for position in space.positions)
            for arch, _ in learner.learn(toy_step(space)):
                space.check(arch)
            assert limit.allows(learner.finalists(3, limit)).tolist() == [True] * 3


def _expected_loss(step: ToyStep, probs: torch.Tensor) -> float:
    """The mean loss of architectures sampled by `probs`, with the price of their latency."""
    weights = probs.double()
    return float(step.with_latency(step.losses.expected(weights), weights))


def _figures(paths: TrainingPaths) -> Any:
    """Training paths in figures that can be compared."""
    gates = [
        [(gate.indices, None if gate.weights is None else gate.weights.tolist(), gate.mode) for gate in path]
        for path in paths.paths
    ]
    return gates, paths.distil, paths.decay_first
