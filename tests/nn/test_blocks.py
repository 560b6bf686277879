import pytest
import torch

from hwnas.nn.blocks import BlockModule
from hwnas.space.net import Block


@pytest.mark.parametrize("act", ["", "relu", "relu6", "hswish", "swish"])
@pytest.mark.parametrize("op", ["conv", "mbconv", "fbconv"])
def test_a_residual_block_starts_as_the_identity(op, act):
    block = BlockModule(Block(op, 8, 8, 4, 4, 3, act=act, residual=True)).eval()
    x = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(block(x), x)
    assert all(norm.weight.requires_grad for norm in block if isinstance(norm, torch.nn.BatchNorm2d))
