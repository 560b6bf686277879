"""A process alone is its own main rank, and what is dealt out is dealt out once."""

import pytest
import torch

from hwnas.errors import InputError, RankError
from hwnas.nn import ranks
from hwnas.nn.ranks import Ranks, process_group
from hwnas.testing import refused

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_everything_is_dealt_out_once(size):
    dealt = [item for rank in range(size) for item in list(range(11))[Ranks(rank, size).rows]]
    assert sorted(dealt) == list(range(11))


def test_one_process_is_alone_and_the_main_rank(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with process_group(CPU) as alone:
        assert (alone.rank, alone.size, alone.main) == (0, 1, True)
        assert alone.gather("mine") == ["mine"]
        assert alone.same("mine") == "mine"
        assert alone.any(True)
        assert not alone.any(False)
        alone.agree("anything", object())
        with refused("what.is-wrong", InputError, value=3) as refusal, alone.share_errors():
            raise InputError("what is wrong", code="what.is-wrong", value=3)
        assert refusal.message == "what is wrong"


def test_ranks_without_torchrun_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with refused("ranks.no-group", RankError, size=2), process_group(CPU):
        pass


def test_buckets_keep_the_order_and_the_limit(monkeypatch):
    monkeypatch.setattr(ranks, "BUCKET", 40)
    gradients = [torch.zeros(count) for count in (4, 5, 1, 30, 2, 2)]
    buckets = list(ranks._buckets(gradients))
    assert [[len(gradient) for gradient in bucket] for bucket in buckets] == [[4, 5, 1], [30], [2, 2]]
    assert list(ranks._buckets([])) == []


def test_a_rank_that_is_lost_is_named_and_the_group_is_left(monkeypatch):
    left = []

    def lost(*_, **options):
        raise RuntimeError("connection closed by peer\nsomewhere in gloo")

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(ranks.dist, "init_process_group", lambda *_, **options: None)
    monkeypatch.setattr(ranks.dist, "get_rank", lambda: 1)
    monkeypatch.setattr(ranks.dist, "destroy_process_group", lambda: left.append(True))
    monkeypatch.setattr(ranks.dist, "all_gather_object", lost)
    with refused("ranks.lost", RankError, rank=1) as refusal, process_group(CPU) as one:
        assert (one.rank, one.size, one.main) == (1, 2, False)
        one.gather("mine")
    assert "(connection closed by peer)" in refusal.message
    assert left == [True]
