"""Two ranks against one process on the joined batch: the same gradients, of active parameters alone; and one end."""

import measured
import pytest
import torch
from small_search import SCHEDULE, space, until

from hwnas.nn.ranks import Ranks
from hwnas.nn.state import load_state


@pytest.fixture(scope="module")
def folder(done, tmp_path_factory):
    """Where two ranks have left what they found; it was worth one start of torchrun."""
    folder = tmp_path_factory.mktemp("ranks")
    done(2, "measured.py", folder)
    return folder


@pytest.fixture(scope="module")
def ranks(folder):
    """What each of two ranks found."""
    return [load_state(folder / f"rank{rank}") for rank in (0, 1)]


@pytest.fixture(scope="module")
def alone():
    """What one process finds on the joined batch."""
    return measured.everything(Ranks())


def far(gradients, others):
    """The distance of two gradients over the length of the first."""
    assert gradients.keys() == others.keys()
    length = sum(value.square().sum() for value in gradients.values()).sqrt()
    return float(sum((others[name] - value).square().sum() for name, value in gradients.items()).sqrt() / length)


@pytest.mark.parametrize("mode", ["still", "training"])
def test_gradients_of_weights_are_those_of_one_process_on_the_joined_batch(ranks, alone, mode):
    """With BatchNorm in eval mode, and with the statistics of the joined batch."""
    for rank in ranks:
        assert far(alone[mode]["gradients"], rank[mode]["gradients"]) < 1e-5
        assert rank[mode]["loss"] == pytest.approx(alone[mode]["loss"], rel=1e-5)


@pytest.mark.parametrize("kind", ["lesson", "joint"])
def test_so_are_those_of_a_lesson_of_several_paths_and_of_a_single_level_step(ranks, alone, kind):
    for rank in ranks:
        assert far(alone[kind]["gradients"], rank[kind]["gradients"]) < 1e-5
        assert rank[kind]["loss"] == pytest.approx(alone[kind]["loss"], rel=1e-5)


@pytest.mark.parametrize("kind", ["trained", "mixed"])
def test_a_training_of_two_ranks_is_that_of_one_process(ranks, alone, kind):
    """With synchronised norms, an update in two parts, and clipped gradients or mixed images."""
    expected = alone[kind]
    assert expected["gradients"]["0.conv.weight"].abs().max() > 1e-4
    for rank in ranks:
        assert far(expected["gradients"], rank[kind]["gradients"]) < 1e-5
        assert rank[kind]["losses"] == pytest.approx(expected["losses"], rel=1e-4)
        assert rank[kind]["validation"] == expected["validation"]
        for part in ("running", "weights"):
            for name, value in expected[part].items():
                torch.testing.assert_close(rank[kind][part][name], value, rtol=1e-3, atol=1e-4)
    assert all(torch.equal(value, ranks[1][kind]["weights"][name])
               for name, value in ranks[0][kind]["weights"].items())  # fmt: skip


def test_rewards_are_of_the_accuracy_on_the_joined_batch(ranks, alone):
    archs, scores = zip(*alone["rewards"]["seen"], strict=True)
    assert len(set(scores)) > 2
    for rank in ranks:
        seen = rank["rewards"]["seen"]
        assert [tuple(arch) for arch, _ in seen] == list(archs)
        assert [score for _, score in seen] == pytest.approx(scores)


def test_the_history_is_told_by_the_main_rank_alone(ranks):
    main, other = (rank["rewards"] for rank in ranks)
    assert main["told"] == [[1, arch, score] for arch, score in main["seen"]]
    assert other["told"] == []


def test_the_gradient_of_the_architecture_is_that_of_one_process_on_the_joined_batch(ranks, alone):
    expected = alone["gates"]
    assert expected["gradient"].abs().max() > 1e-4
    for rank in ranks:
        torch.testing.assert_close(rank["gates"]["gradient"], expected["gradient"], rtol=1e-4, atol=1e-8)
        assert rank["gates"]["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_only_gradients_of_active_parameters_travel(ranks):
    """Beside them a mark of the path, 16 bytes, and the loss, 4."""
    active = 4 * space().derive(measured.PATH).params
    for rank in ranks:
        assert rank["still"]["sent"] == [16, 4, active]
        assert rank["still"]["counted"] == rank["in buckets"]["counted"] == active
        many = rank["in buckets"]["sent"][2:]
        assert sum(many) == active
        assert len(many) > 2
        assert far(rank["still"]["gradients"], rank["in buckets"]["gradients"]) == 0


def test_what_ranks_do_not_agree_on_ends_all_and_is_told_once(ranks):
    first, second = ranks
    messages = [
        "rank 1: no images here",
        "the path of rank 1 is not that of rank 0: give all ranks the same call and versions",
    ]
    assert first["refusals"] == [
        ["InputError", "data.none", 1, messages[0]],
        ["RankError", "ranks.differ", None, messages[1]],
        "went on",
    ]
    assert second["refusals"] == [*(["RankError", "ranks.ended", None, text] for text in messages), "went on"]


def test_ranks_tell_each_other(ranks):
    for rank in ranks:
        assert rank["any"] == [True, False]
        assert rank["same"] == 0
        assert rank["gathered"] == [0, 1]


def flat(state):
    """Every tensor and number of a state, in order."""
    if isinstance(state, dict):
        return [leaf for part in state.values() for leaf in flat(part)]
    if isinstance(state, list | tuple):
        return [leaf for part in state for leaf in flat(part)]
    return [state]


def require_close(state, expected, tolerance):
    torch.testing.assert_close(state["learner"]["alpha"], expected["learner"]["alpha"], rtol=0, atol=tolerance)
    for name, value in expected["supernet"].items():
        torch.testing.assert_close(state["supernet"][name], value, rtol=0, atol=tolerance)


def test_both_ranks_end_with_the_same_bits_and_one_process_with_nearly_those(ranks, tmp_path):
    first, second = (flat(rank["whole"]) for rank in ranks)
    assert len(first) == len(second) > 50
    assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(first, second, strict=True))
    one = until(Ranks(), tmp_path / "state")
    assert one["done"] == ranks[0]["whole"]["done"] == SCHEDULE.total
    assert list(one["best"]) == ranks[0]["whole"]["best"]
    require_close(ranks[0]["whole"], one, 1e-5)


def test_two_ranks_one_and_two_again_end_as_two_that_were_not_disturbed(done, folder, ranks, tmp_path):
    """Ctrl-C reaches only the last rank each time, and ends all of them after the same step."""
    whole = ranks[0]["whole"]
    assert [rank["cut"]["done"] for rank in ranks] == [4, 4]
    assert load_state(folder / "cut")["done"] == 4
    assert until(Ranks(), folder / "cut", stop=8)["done"] == 8
    done(2, "small_search.py", folder / "cut", tmp_path)
    for rank in (0, 1):
        ended = load_state(tmp_path / f"rank{rank}")
        assert ended["done"] == SCHEDULE.total
        assert ended["best"] == whole["best"]
        require_close(ended, whole, 1e-5)
