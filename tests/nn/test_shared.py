"""Shared weights: which candidates share which part of them, how they begin, and that they run as a `BlockModule`."""

from dataclasses import dataclass, fields, replace

import pytest
import torch
from small_spaces import elastic_space, small_space

from hwnas.nn.blocks import BlockModule
from hwnas.nn.choice_block import ANY_SIZE, COLLAPSED, PROPORTIONAL, SharedBlock, _group, _weightless
from hwnas.nn.shared import SharedConv, centre
from hwnas.nn.supernet import Supernet
from hwnas.space import registry
from hwnas.space.layer import Layer
from hwnas.space.net import Block

BLOCKS = [
    Block("conv", 8, 8, 6, 6, 3, act="swish", residual=True, pooled=True),
    Block("conv", 8, 12, 6, 6, 3, 2, act="relu"),
    Block("mbconv", 8, 8, 6, 6, 5, expansion=3, se=6, act="hswish", residual=True),
    Block("mbconv", 8, 12, 6, 6, 3, 2, mid=20, se=4, act="relu6", hard=True),
    Block("fbconv", 8, 8, 6, 6, 3, expansion=2, groups=2, act="relu", residual=True),
    Block("fused", 8, 12, 6, 6, 3, 2, expansion=3, se=2, act="swish"),
    Block("shuffle", 8, 12, 6, 6, 3, mid=6, act="relu"),
    Block("shuffle", 8, 20, 6, 6, 5, 2, mid=6, act="relu"),
    Block("xception", 8, 12, 6, 6, 3, mid=6, act="relu"),
    Block("xception", 8, 20, 6, 6, 3, 2, mid=6, act="relu"),
    Block("avgpool", 8, 8, 6, 6, 3, 2),
    Block("maxpool", 8, 8, 6, 6, 3),
    Block("zero", 8, 8, 6, 6, stride=2),
    Block("classifier", 8, 5, 6, 6),
    Block("classifier", 8, 5, 6, 6, mid=12, act="hswish"),
]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("larger", [False, True], ids=["whole", "part"])
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.key)
def test_shared_weights_run_as_a_block_module(block, larger, training, awake):
    """As the whole of them, and as a part of larger ones."""
    fixed = block.groups > 1 or block.op in ("avgpool", "maxpool", "zero")
    more = {"kernel": block.kernel + 2} if block.kernel > 1 else {}
    more |= {} if fixed else {"cin": 2 * block.cin, "cout": 2 * block.cout, "mid": 2 * block.mid, "se": 2 * block.se}
    blocks = [block, replace(block, **more)] if larger else [block]
    shared, module = awake(SharedBlock(blocks, 1e-3, "crop")), BlockModule(block, 1e-3)
    weights = dict(shared.named(block))
    assert set(weights) == {name for name, _ in module.named_parameters()}
    module.load_state_dict(weights, strict=False)
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(shared.train(training)(x, block), module.train(training)(x), rtol=0, atol=1e-6)


def test_a_part_is_the_first_channels_and_the_centre_of_the_kernel():
    blocks = [Block("mbconv", 4, 4, 6, 6, k, expansion=e, se=e, act="relu") for k, e in ((3, 2), (7, 6))]
    shared = SharedBlock(blocks, 1e-5, "crop")
    small, large = (dict(shared.named(block)) for block in blocks)
    assert torch.equal(small["depthwise.weight"], large["depthwise.weight"][:8, :, 2:5, 2:5])
    assert torch.equal(small["expand.weight"], large["expand.weight"][:8])
    assert torch.equal(small["project.weight"], large["project.weight"][:, :8])
    assert torch.equal(small["se.reduce.weight"], large["se.reduce.weight"][:2, :8])
    assert small["depthwise_norm.weight"].shape == (8,)


def test_weights_of_full_size_are_the_parameters_themselves():
    blocks = [Block("mbconv", 4, 4, 6, 6, k, expansion=e, se=e, act="relu") for k, e in ((3, 2), (7, 6))]
    shared = SharedBlock(blocks, 1e-5, "transform")
    parameters = {id(parameter) for parameter in shared.parameters()}
    assert all(id(weight) in parameters for _, weight in shared.named(blocks[1]))
    assert not any(id(weight) in parameters for name, weight in shared.named(blocks[0]) if name.startswith("depthwise"))


def test_a_transformed_kernel_goes_through_every_size_between():
    three, five, seven = (Layer("conv", "depthwise", 4, 4, k, groups=4, out=(6, 6)) for k in (3, 5, 7))
    conv = SharedConv((three, five, seven), 1e-5, "transform")
    largest = conv.weight(seven).detach()
    torch.testing.assert_close(conv.weight(three), centre(largest, 3), msg="each map starts as the identity")
    for matrix in conv.maps.values():
        torch.nn.init.normal_(matrix)
    at_5 = (centre(largest, 5).reshape(4, 25) @ conv.maps["5"].T).reshape(4, 1, 5, 5)
    at_3 = (centre(at_5, 3).reshape(4, 9) @ conv.maps["3"].T).reshape(4, 1, 3, 3)
    torch.testing.assert_close(conv.weight(five), at_5)
    torch.testing.assert_close(conv.weight(three), at_3)
    assert conv.weight(seven) is conv.largest.weight


def test_separate_kernels_share_all_but_the_kernel():
    blocks = [Block("mbconv", 4, 4, 6, 6, k, expansion=2, act="relu") for k in (3, 5)]
    shared = SharedBlock(blocks, 1e-5, "separate")
    small, large = (dict(shared.named(block)) for block in blocks)
    assert {name for name in small if small[name] is not large[name]} == {"depthwise.weight"}
    assert small["depthwise.weight"].shape == (8, 1, 3, 3)
    assert not torch.equal(small["depthwise.weight"], centre(large["depthwise.weight"], 3))


def groups(space, sharing, position):
    with torch.device("meta"):  # weights would take most of the time, and are not looked at
        return Supernet(space, 0, sharing).parts[position].group


def test_what_shares_weights():
    assert groups(small_space(), "separate", 1) == {0: "0", 1: "1", 2: "2"}
    assert groups(small_space(), "collapsed", 1) == {0: "0", 1: "0", 2: "0"}
    fbnet = registry.get("fbnet")
    assert groups(fbnet, "separate", 2) == {index: str(index) for index in range(9)}
    # In the order of k3_e1, k3_e1_g2, k3_e3, k3_e6, the same with k5, and the projection: grouped ones stay apart.
    assert [groups(fbnet, "collapsed", 2)[index] for index in range(9)] == list("010001008")
    # Resolution and width share; kernel (3) and expansion (2) do not.
    separate, collapsed = (groups(elastic_space(), sharing, 1) for sharing in ("separate", "collapsed"))
    assert [separate[index] for index in range(24)] == [str(index % 6) for index in range(24)]
    assert set(collapsed.values()) == {"0"}


@dataclass(frozen=True)
class Dilated(Block):
    """A block with a field that nothing has heard of."""

    dilation: int = 1


def test_a_new_field_of_a_block_keeps_weights_apart():
    """Nobody has to remember to name it: whatever is not listed as something to differ in tells groups apart."""
    one, other = (Dilated("mbconv", 8, 8, 6, 6, 3, expansion=2, act="relu", dilation=dilation) for dilation in (1, 2))
    for sharing in ("separate", "collapsed"):
        assert (
            _group(one, sharing, False) == _group(replace(one, cin=8), sharing, False) != _group(other, sharing, False)
        )
    assert {field.name for field in fields(Block)} >= COLLAPSED >= ANY_SIZE
    assert {field.name for field in fields(Block)} >= PROPORTIONAL


def test_candidates_that_share_weights_differ_only_in_what_may_differ():
    block = Block("mbconv", 8, 8, 6, 6, 3, expansion=2, se=4, act="relu", residual=True)
    wide = replace(block, cin=16, cout=16, height=12, width=12, se=8)
    assert _group(block, "separate", False) == _group(wide, "separate", False)
    others = ({"kernel": 5}, {"expansion": 3}, {"se": 0}, {"act": "swish"}, {"residual": False}, {"hard": True})
    for change in (*others, {"pooled": True}):
        assert _group(replace(block, **change), "separate", False) != _group(block, "separate", False), change
        assert _group(replace(block, **change), "collapsed", False) == _group(block, "collapsed", False), change


def test_a_layer_with_weights_that_nothing_shares_is_refused():
    """It would be one module at all places, which no step trains."""
    with pytest.raises(TypeError, match="conv has weights"):
        _weightless(Layer("conv", "conv", 4, 4))


def test_blocks_start_as_the_identity_only_where_all_are_residual():
    residual = Block("mbconv", 4, 4, 6, 6, 3, expansion=2, act="relu", residual=True)
    plain = replace(residual, residual=False)
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(SharedBlock([residual], 1e-5, "crop")(x, residual), x)
    assert SharedBlock([residual, plain], 1e-5, "crop")(x, plain).std() > 0.5
