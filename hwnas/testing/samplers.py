"""Hold a sampler, which is asked for architectures and told their scores, to its contract.

from hwnas.testing import SamplerContract

class TestMine(SamplerContract):
    reference = "my_strategy.py:Mine"
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ..errors import DivergedError
from ..nn.state import load_state, save_state
from ..space.space import Arch
from ..strategies.limit import Limit
from .errors import refused
from .strategies import LARGE_SPACES, LIMITED, StrategyContract, global_states, limit_of
from .toys import SPACES, Linear, all_architectures, independent_space, limited


class SamplerContract(StrategyContract):
    """What every sampler must do. `repeats`: whether it may propose what is pending, as what samples a policy does."""

    repeats: ClassVar[bool] = False
    rounds: ClassVar[int] = 40

    def run(self, sampler: Any, score: Callable[[Arch], float], rounds: int) -> list[Arch]:
        """What it proposes in so many rounds, one at a time, each told its score."""
        archs = []
        for _ in range(rounds):
            (proposal,) = sampler.ask()
            sampler.tell(proposal.id, score(proposal.arch))
            archs.append(proposal.arch)
        return archs

    def test_proposals_are_within_the_limit_and_so_is_its_choice(self) -> None:
        """In spaces of independent and of shared decisions, under a limit and in a band."""
        for space in SPACES.values():
            for allowed in LIMITED:
                limit = limited(space, allowed)
                sampler = self.build(limit, budget=self.rounds)
                archs = self.run(sampler, Linear(space).score, self.rounds)
                assert all(isinstance(arch, tuple) and {type(i) for i in arch} == {int} for arch in archs)
                assert all(space.check(arch) == arch for arch in archs)
                assert limit.allows([*archs, sampler.best()]).all()
                assert len(set(archs)) > 3

    def test_finalists_are_different_and_within_the_limit_that_is_given(self) -> None:
        """The best first; one finalist is the best. They score no less than what it proposed does on average."""
        free, hard = limited(SPACES["independent"], "free"), limited(SPACES["independent"], "hard")
        score, sampler = Linear(free.space), self.build(free, budget=self.rounds)
        archs = self.run(sampler, score.score, self.rounds)
        chosen = sampler.finalists(5, hard)
        for limit in (free, hard):
            proposed = sorted(set(limit.filter(archs)))  # perhaps fewer than are asked for, and then these
            assert score.cost(sampler.finalists(5, limit)).mean() >= score.cost(proposed).mean() - 1e-9
        assert len(set(chosen)) == len(chosen) > 0
        assert hard.allows(chosen).all()
        assert sampler.finalists(1, free) == [sampler.best()]

    def test_the_seed_decides_the_run(self) -> None:
        """The same seed gives the same proposals, another seed others."""
        limit = limited(SPACES["independent"], "hard")
        score = Linear(limit.space).score
        one, same, other = (self.run(self.build(limit, seed), score, self.rounds) for seed in (3, 3, 4))
        assert one == same != other

    def test_a_run_that_is_saved_and_loaded_goes_on_as_it_would_have(self, tmp_path: Path) -> None:
        """Wherever it is cut, also with proposals pending and after a failure."""
        limit = limited(SPACES["elastic"], "band")
        score = Linear(limit.space).score
        for cut, ahead in ((1, 0), (17, 3)):
            sampler, loaded = self.build(limit), self.build(limit, seed=9)
            self.run(sampler, score, cut)
            sampler.tell(sampler.ask()[0].id, None)
            pending = sampler.ask(ahead)
            save_state(tmp_path / "state", sampler.state_dict())
            self.run(loaded, score, 2)  # which it forgets
            loaded.load_state_dict(load_state(tmp_path / "state"))
            for one in (sampler, loaded):
                for proposal in pending:
                    one.tell(proposal.id, score(proposal.arch))
            assert self.run(sampler, score, self.rounds - cut) == self.run(loaded, score, self.rounds - cut)
            assert sampler.finalists(5, limit) == loaded.finalists(5, limit)

    def test_nothing_global_is_drawn_from_or_kept(self) -> None:
        """Two of them in turn do as each alone does."""
        limit = limited(SPACES["independent"], "hard")
        score, before = Linear(limit.space).score, global_states()
        alone = self.run(self.build(limit), score, self.rounds)
        assert global_states() == before
        one, other, archs = self.build(limit), self.build(limit, seed=1), []
        for _ in range(self.rounds):
            archs += self.run(one, score, 1)
            self.run(other, lambda arch: -score(arch), 1)
        assert archs == alone

    def test_many_may_be_asked_ahead_and_told_in_any_order(self) -> None:
        """As where eight evaluators work at once: nothing is proposed twice while it is pending."""
        limit = limited(SPACES["independent"], "hard")
        score, sampler = Linear(limit.space).score, self.build(limit, budget=64)
        for _ in range(8):
            proposals = sampler.ask(8)
            archs = [proposal.arch for proposal in proposals]
            assert limit.allows(archs).all()
            assert self.repeats or len(set(archs)) == 8
            for proposal in reversed(proposals):
                sampler.tell(proposal.id, score(proposal.arch))
        ids = [proposal.id for proposal in proposals]
        assert len(set(ids)) == 8
        with refused("strategies.not-pending", id=ids[0]):
            sampler.tell(ids[0], 0.5)

    def test_what_failed_is_never_chosen(self) -> None:
        """Every third evaluation fails, and with it the best of all architectures."""
        limit = limited(SPACES["independent"], "free")
        score, sampler, failed = Linear(limit.space).score, self.build(limit), set()
        for number in range(self.rounds):
            (proposal,) = sampler.ask()
            if number % 3 == 0 or proposal.arch in failed:
                failed.add(proposal.arch)
                sampler.tell(proposal.id, None)
            else:
                sampler.tell(proposal.id, score(proposal.arch))
        assert failed
        assert not failed & {sampler.best(), *sampler.finalists(9, limit)}

    def test_a_score_that_is_no_number_is_refused(self) -> None:
        """Such a one would win or lose every comparison."""
        sampler = self.build(limited(SPACES["independent"], "free"))
        for score in (float("nan"), float("inf")):
            with refused("strategies.score-not-finite", kind=DivergedError):
                sampler.tell(sampler.ask()[0].id, score)

    def test_goes_on_where_there_are_fewer_architectures_than_evaluations(self) -> None:
        """In spaces of one, two and four."""
        for choices in ((1,), (1, 2, 1), (2, 2)):
            tiny = independent_space(*choices)
            sampler = self.build(Limit.none(tiny), budget=self.rounds)
            archs = self.run(sampler, Linear(tiny).score, self.rounds)
            assert set(archs) == set(all_architectures(tiny))
            assert len(sampler.finalists(9, Limit.none(tiny))) == len(all_architectures(tiny))

    def test_a_limit_that_no_architecture_meets_is_refused(self) -> None:
        """When it is asked at the latest."""
        with refused("limit.no-architecture", space="elastic toy"):
            self.build(limited(SPACES["elastic"], "free").within(-1.0)).ask()

    def test_works_on_named_spaces(self) -> None:
        """On spaces that differ in kind."""
        for name in LARGE_SPACES:
            limit = limit_of(name)
            sampler = self.build(limit, budget=10)
            archs = self.run(sampler, Linear(limit.space).score, 12)
            assert [limit.space.check(arch) for arch in archs] == archs
            assert limit.allows([*archs, sampler.best()]).all()
