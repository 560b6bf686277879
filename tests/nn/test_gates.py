"""What gates of several indices compute, against the same written out in float64; and what they keep in memory."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from small_spaces import elastic_space, small_space

from hwnas.nn.gates import Gate
from hwnas.nn.supernet import Supernet, one_hot
from hwnas.testing import refused

PAIRS = [[(0, 1), (2, 0), (1, 2)], [(3, 0), (1, 3), (3, 2)], [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)]]
NAMES = ["convs", "skip", "all"]
IMAGES, LABELS = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3])


def one_of(count):
    return torch.eye(count, dtype=torch.float64)[0].requires_grad_()


def some_of(count):
    return torch.linspace(1, 2, count, dtype=torch.float64).div(1.5 * count).requires_grad_()


def gradients(loss, supernet, weights):
    """Of the weights of gates and of every parameter, by name; None where there is none."""
    names, parameters = zip(*supernet.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, [*weights, *parameters], allow_unused=True)
    return dict(zip([*range(len(weights)), *names], found, strict=True))


def summed(supernet, indices, weights):
    """The loss where each slot gives Σ w_j o_j, written out."""
    x = supernet.parts[0].run(0, IMAGES.double())
    for place, row, w in zip(list(supernet.parts)[1:-1], indices, weights, strict=True):
        x = sum(w[j] * place.run(index, x) for j, index in enumerate(row))
    return F.cross_entropy(supernet.parts[-1].run(0, x), LABELS)


def gated(supernet, indices, weights, **form):
    gates = [Gate(row, weight, **form) for row, weight in zip(indices, weights, strict=True)]
    return F.cross_entropy(supernet(IMAGES.double(), gates), LABELS)


def require_same(got, want, keys):
    for key in keys:
        assert (got[key] is None) == (want[key] is None), key
        if got[key] is not None:
            torch.testing.assert_close(got[key], want[key], rtol=0, atol=1e-9)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("sharing", ["separate", "collapsed"])
@pytest.mark.parametrize("indices", PAIRS, ids=NAMES)
def test_a_binary_gate_gets_the_inner_product_with_each_output(indices, sharing, recompute, awake):
    """And the weights of candidates that are not active get no gradient."""
    supernet = awake(Supernet(small_space(), 0, sharing)).double()
    weights = [one_of(len(row)) for row in indices]
    loss = gated(supernet, indices, weights, recompute=recompute)
    assert loss == F.cross_entropy(supernet(IMAGES.double(), one_hot([row[0] for row in indices])), LABELS)
    got, want = gradients(loss, supernet, weights), gradients(summed(supernet, indices, weights), supernet, weights)
    require_same(got, want, range(3))
    assert all(got[slot].abs().min() > 1e-9 for slot in range(3))
    alone = F.cross_entropy(supernet(IMAGES.double(), one_hot([row[0] for row in indices])), LABELS)
    require_same(got, gradients(alone, supernet, []), dict(supernet.named_parameters()))


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("sharing", ["separate", "collapsed"])
@pytest.mark.parametrize("indices", PAIRS, ids=NAMES)
def test_weighted_gates_are_a_sum_with_all_its_gradients(indices, sharing, recompute, awake):
    supernet = awake(Supernet(small_space(), 0, sharing)).double()
    weights = [some_of(len(row)) for row in indices]
    loss, expected = (
        gated(supernet, indices, weights, mode="weighted", recompute=recompute),
        summed(supernet, indices, weights),
    )
    torch.testing.assert_close(loss, expected)
    got, want = gradients(loss, supernet, weights), gradients(expected, supernet, weights)
    require_same(got, want, want)
    assert all(got[slot].abs().min() > 1e-9 for slot in range(3))


def elastic_gates(**chosen):
    """Gates of `elastic_space` for its resolution, width, kernel, expansion and depth; what is not told is fixed."""
    fixed = {"resolution": 0, "width": 1, "kernel": 0, "expansion": 1, "depth": 1}
    return [chosen.get(name, Gate((index,))) for name, index in fixed.items()]


@pytest.mark.parametrize("mode", ["binary", "weighted"])
def test_slots_that_decide_together_run_all_combinations(mode, awake):
    supernet = awake(Supernet(elastic_space(), 0, "collapsed")).double()
    weight = one_of if mode == "binary" else some_of
    kernel, expansion, depth = weight(3), weight(2), weight(2)
    gates = elastic_gates(
        kernel=Gate((1, 0, 2), kernel, mode), expansion=Gate((1, 0), expansion, mode), depth=Gate((1, 0), depth, mode)
    )
    got = supernet(IMAGES.double(), gates).square().sum()

    stem, first, second, head = supernet.parts
    x = stem.run(1, IMAGES.double())
    pairs = [(k, e, kernel[i] * expansion[j]) for i, k in enumerate((1, 0, 2)) for j, e in enumerate((1, 0))]
    x = sum(w * first.run(6 + 2 * k + e, x) for k, e, w in pairs)
    x = depth[0] * sum(w * second.run(24 + 6 + 2 * k + e, x) for k, e, w in pairs) + depth[1] * x
    want = head.run(1, x).square().sum()
    torch.testing.assert_close(got, want)
    found, expected = (torch.autograd.grad(loss, (kernel, expansion, depth)) for loss in (got, want))
    torch.testing.assert_close(found[2], expected[2])
    # The paths without the second layer are one path, whose weight is the sum of theirs: its derivative by each weight
    # of kernel and expansion is the same for all options, which no softmax sees.
    for a, b in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(a - a.mean(), b - b.mean())


def test_combinations_of_one_block_run_once(monkeypatch):
    supernet = Supernet(elastic_space(), 0, "collapsed")
    ran = []
    for number, place in enumerate(supernet.parts):
        monkeypatch.setattr(place, "run", lambda index, x, number=number: ran.append((number, index)) or x)
    kernel, depth = Gate((0, 1), torch.ones(2), "weighted"), Gate((0, 1), torch.ones(2), "weighted")
    supernet(torch.randn(2, 16, 8, 8), elastic_gates(kernel=kernel, depth=depth))
    assert [number for number, _ in ran] == [0, 1, 1, 2, 2, 2, 3]


def test_options_of_different_shapes_are_refused():
    supernet, images = Supernet(elastic_space(), seed=0), torch.randn(2, 3, 8, 8)
    two = Gate((0, 1), torch.tensor([1.0, 0.0]))
    with refused("gates.shape", choices=["width"]):
        supernet(images, elastic_gates(width=two, kernel=two))
    with refused("gates.shape", choices=["resolution", "width"]):
        supernet(images, elastic_gates(width=two, resolution=two))


def test_gates_of_one_position_have_one_mode():
    one, other = (Gate((0, 1), torch.tensor([1.0, 0.0]), mode) for mode in ("binary", "weighted"))
    with refused("gates.modes"):
        Supernet(elastic_space(), seed=0)(torch.randn(2, 3, 8, 8), elastic_gates(kernel=one, expansion=other))


def test_outputs_are_recomputed_under_the_autocast_they_belong_to(awake):
    supernet = awake(Supernet(small_space(), seed=0))
    found = []
    for recompute in (False, True):
        weights = [torch.eye(4)[0].requires_grad_() for _ in range(3)]
        gates = [Gate((0, 1, 2, 3), row, recompute=recompute) for row in weights]
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(supernet(IMAGES, gates), LABELS)
        found.append(torch.stack(torch.autograd.grad(loss, weights)))
    torch.testing.assert_close(*found, rtol=0, atol=0)


def kept_bytes(forward, parameters):
    """Bytes of the distinct storages that `forward` keeps for its backward pass, other than parameters."""
    kept = {}

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in parameters:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = forward()
    total = sum(storage.nbytes() for storage in kept.values())
    del loss
    return total


def test_memory_kept_for_backward_is_that_of_the_paths_that_say_so():
    supernet = Supernet(small_space(slots=4, channels=16), seed=0).train()
    images = torch.randn(32, 3, 8, 8)
    parameters = {p.untyped_storage().data_ptr() for p in supernet.parameters()}
    output = 32 * 16 * 8 * 8 * 4

    def kept(indices, **form):
        weights = None if len(indices) == 1 else torch.eye(len(indices))[0].requires_grad_()
        return kept_bytes(partial(supernet, images, [Gate(indices, weights, **form)] * 4), parameters)

    child = supernet.extract((0,) * 4).train()
    own = {p.untyped_storage().data_ptr() for p in child.parameters()}
    one = kept_bytes(partial(child, images), own)
    assert kept((0,)) < 1.002 * one
    # The last active output is kept by nothing else: the pool after it does not need it.
    assert one + 4 * output < kept((0, 1)) < one + 5.1 * output
    assert kept((0, 1, 2), recompute=True) < one + 1.1 * output
    assert kept((0, 1, 2), mode="weighted") > 2 * one
    assert kept((0, 1, 2), mode="weighted", recompute=True) < one
