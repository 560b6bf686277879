"""A `Net` as a torch module."""

import torch
from torch import nn

from ..space.fold import fold
from ..space.net import Net
from .blocks import Add, BlockModule, Linear, in_channels_last
from .masks import Masks


class Network(nn.Sequential):
    """The blocks of `net` in order: images (N, 3, H, W) to logits (N, classes)."""

    def __init__(self, net: Net) -> None:
        super().__init__(*(BlockModule(block, net.eps) for block in net.blocks))
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Run every block on what its sources gave."""
        blocks = list(self)  # and not `children`, which leaves out a module that comes a second time

        def run(index: int, inputs: list[torch.Tensor]) -> torch.Tensor:
            output: torch.Tensor = blocks[index](*inputs)
            return output

        return fold(self.net.wiring, (images,), run)


def build(net: Net, seed: int | None = None) -> Network:
    """The module of `net` with fresh weights in channels_last, the faster layout for convolutions.

    With `seed` the weights depend on nothing else, and the global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        return in_channels_last(Network(net))


def set_dropout(network: Network, dropout: float, drop_path: float) -> Masks:
    """Have `network` train with dropout before its last linear layer, and with residual blocks left out of images, as
    the masks say that are returned, which are to be told of each batch.

    Block i of n is left out with probability `drop_path` · i / n, counted from 0 between the first block and the
    classifier, as in EfficientNet's released code (tensorflow/tpu). Names of weights and evaluation stay as they are.
    """
    masks = Masks()
    blocks = [module for module in network if isinstance(module, BlockModule)]
    inner = [module for module in blocks[1:] if module.block.op != "classifier"]
    for index, module in enumerate(inner):
        if module.block.residual:
            add = module.get_submodule("add")
            assert isinstance(add, Add), "the last layer of a residual block"
            add.drop_path, add.masks, add.place = drop_path * index / len(inner), masks, index
    linear = [part for part in network.modules() if isinstance(part, Linear)]
    if linear:
        linear[-1].dropout, linear[-1].masks, linear[-1].place = dropout, masks, len(inner)
    return masks
