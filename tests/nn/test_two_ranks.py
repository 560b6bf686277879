"""What two ranks tell each other, and that their norms are those of one process with all rows."""

import pytest
import torch
from small_spaces import small_space
from torch import nn
from two_ranks import on_both

from hwnas.errors import InputError, RankError
from hwnas.nn import ranks
from hwnas.nn.shared import SharedConv, normalise
from hwnas.nn.supernet import Supernet
from hwnas.nn.sync_norm import SynchronisedNorm, _normalise, synchronise

__all__ = ["on_both"]


def images(seed=0):
    return torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 + 1


def test_gradients_are_the_mean_and_what_has_none_sends_nothing(on_both, monkeypatch):
    monkeypatch.setattr(ranks, "BUCKET", 8)

    def step(one):
        weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(3))]
        optimizer = torch.optim.SGD(weights, lr=1.0)
        one.average_before(optimizer)
        weights[0].grad, weights[2].grad = torch.tensor([1.0, 2.0]) * one.rank, torch.full((3,), 4.0 + one.rank)
        optimizer.step()
        return [weight.tolist() for weight in weights], one.gradient_bytes

    assert on_both(step) == [([[-0.5, -1.0], [0.0], [-4.5] * 3], 20)] * 2


def test_a_loss_is_the_mean_and_its_gradient_the_own(on_both):
    def step(one):
        x = torch.tensor(2.0 + one.rank, requires_grad=True)
        loss = one.averaged(x * x)
        loss.backward()
        return loss.item(), x.grad.item()

    assert on_both(step) == [(6.5, 4.0), (6.5, 6.0)]


def test_what_is_spread_stays_and_its_gradient_is_the_mean(on_both):
    def step(one):
        x = torch.ones(2, requires_grad=True)
        spread = one.spread(x)
        (spread * (1.0 + one.rank)).sum().backward()
        return spread.tolist(), x.grad.tolist(), one.gradient_bytes

    assert on_both(step) == [([1.0, 1.0], [1.5, 1.5], 8)] * 2


def test_one_rank_spreads_and_averages_nothing():
    x = torch.ones(2, requires_grad=True)
    alone = ranks.Ranks()
    assert alone.spread(x) is x
    assert alone.averaged(x) is x


def test_all_hear_what_any_or_the_first_says(on_both):
    def talk(one):
        return one.any(one.rank == 1), one.any(False), one.same(f"of {one.rank}"), one.gather(one.rank)

    assert on_both(talk) == [(True, False, "of 0", [0, 1])] * 2


def test_ranks_that_differ_end_and_the_first_names_the_other(on_both):
    assert on_both(lambda one: one.agree("the seed", 3)) == [None, None]
    first, second = on_both(lambda one: one.agree("the seed", one.rank))
    assert (first.code, first.fields["ranks"], first.fields["what"]) == ("ranks.differ", [1], "the seed")
    assert isinstance(second, RankError)
    assert (second.code, second.fields["because"]) == ("ranks.ended", "ranks.differ")


@pytest.mark.parametrize(("failing", "message"), [(0, "it is wrong"), (1, "rank 1: it is wrong")])
def test_an_error_on_one_rank_ends_both(failing, message, on_both):
    def work(one):
        with one.share_errors():
            if one.rank == failing:
                raise InputError("it is wrong", code="it.is-wrong", value=3)

    first, second = on_both(work)
    assert isinstance(first, InputError)
    assert (str(first), first.code, first.fields["value"]) == (message, "it.is-wrong", 3)
    assert (second.code, second.fields["because"]) == ("ranks.ended", "it.is-wrong")


def one_process(x):
    """The norm of a process that has all rows, after a step on the sum of squares, and the gradient of x."""
    norm, x = nn.BatchNorm2d(3), x.clone().requires_grad_()
    norm(x).pow(3).sum().backward()
    return norm, x.grad


@pytest.mark.parametrize("tracked", [True, False])
def test_norms_of_both_are_those_of_all_rows(tracked, on_both):
    x = images()
    wanted, of_x = one_process(x)

    def step(one):
        net = nn.Sequential(nn.BatchNorm2d(3))
        if not tracked:
            net[0].num_batches_tracked = None
            net[0].momentum = None
        synchronise(net, one)
        rows = x[one.rows].clone().requires_grad_()
        net(rows).pow(3).sum().backward()
        return net[0], rows.grad

    for rank, (norm, of_rows) in enumerate(on_both(step)):
        assert isinstance(norm, SynchronisedNorm)
        torch.testing.assert_close(of_rows, of_x[rank::2], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(norm.running_mean, wanted.running_mean)
        torch.testing.assert_close(norm.running_var, wanted.running_var)
        assert norm.num_batches_tracked == (1 if tracked else None)
        norm.num_batches_tracked = wanted.num_batches_tracked
        torch.testing.assert_close(norm.eval()(x), wanted.eval()(x))


def test_gradients_of_scale_and_shift_are_each_ranks_own(on_both):
    x = images(1)

    def step(one):
        weight, bias = (torch.full((3,), value, requires_grad=True) for value in (2.0, 0.5))
        y = _normalise(one, x[one.rows], weight, bias, 1e-5, True)
        y.square().sum().backward()
        return y.detach(), weight.grad, bias.grad

    weight, bias = (torch.full((3,), value, requires_grad=True) for value in (2.0, 0.5))
    wanted = normalise(x, weight, bias, 1e-5, True)
    wanted.square().sum().backward()
    found = on_both(step)
    for rank, (y, _, _) in enumerate(found):
        torch.testing.assert_close(y, wanted.detach()[rank::2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[0][1] + found[1][1], weight.grad, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found[0][2] + found[1][2], bias.grad, rtol=1e-4, atol=1e-3)


def test_without_training_no_rank_is_asked():
    x, ones = images(), torch.ones(3)
    alone = ranks.Ranks(0, 2)  # a message would wait for a group that is not there
    assert torch.equal(_normalise(alone, x, ones, ones, 1e-5, False), normalise(x, ones, ones, 1e-5, False))


def test_every_norm_that_runs_is_synchronised_and_no_other():
    space = small_space()
    net = nn.ModuleList([Supernet(space, seed=0), nn.BatchNorm2d(3, track_running_stats=False), nn.BatchNorm2d(3)])
    synchronise(net, ranks.Ranks())
    shared = [part for part in net.modules() if isinstance(part, SharedConv)]
    assert shared
    assert all(part.normalise.func is _normalise for part in shared)
    assert [type(part) for part in net[1:]] == [nn.BatchNorm2d, SynchronisedNorm]
