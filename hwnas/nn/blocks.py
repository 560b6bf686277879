"""A `Block` as a torch module, built from the block's own walk."""

from collections.abc import Callable

import torch
from torch import nn

from ..space.net import Act, Block, Layer

ACTIVATIONS: dict[Act, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "hswish": lambda: nn.Hardswish(inplace=True),
    "swish": lambda: nn.SiLU(inplace=True),
}


class SqueezeExcite(nn.Module):
    """Channel attention (1709.01507): x · sigmoid(W₂ act(W₁ mean(x))), both maps as 1×1 convolutions."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(layer.cin, layer.mid, 1)
        self.act = ACTIVATIONS[layer.act]()
        self.expand = nn.Conv2d(layer.mid, layer.cin, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        squeezed = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.expand(self.act(self.reduce(squeezed))))


def _modules(layer: Layer) -> list[tuple[str, nn.Module]]:
    """The named torch modules of one layer, in order."""
    if layer.kind == "se":
        return [(layer.name, SqueezeExcite(layer))]
    if layer.kind == "shuffle":
        return [(layer.name, nn.ChannelShuffle(layer.groups))]  # unlike view and transpose, it stays channels_last
    if layer.kind == "pool":
        return [(layer.name, nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
    if layer.kind == "linear":
        return [(layer.name, nn.Linear(layer.cin, layer.cout))]
    conv = nn.Conv2d(
        layer.cin, layer.cout, layer.kernel, layer.stride, layer.kernel // 2, groups=layer.groups, bias=False
    )
    named: list[tuple[str, nn.Module]] = [(layer.name, conv), (f"{layer.name}_norm", nn.BatchNorm2d(layer.cout))]
    if layer.act:
        named.append((f"{layer.name}_act", ACTIVATIONS[layer.act]()))
    return named


def initialise(module: nn.Module) -> None:
    """Kaiming-normal (fan out) convolutions, N(0, 0.01) linear weights, zero biases: as MobileNetV2 in torchvision."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
        if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


class BlockModule(nn.Sequential):
    """One block: (N, cin, H, W) to (N, cout, H', W'), or to (N, classes) for a classifier. A skip is empty."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        for layer in block.layers:
            for name, module in _modules(layer):
                self.add_module(name, module)
        self.residual = block.residual
        initialise(self)
        if self.residual:
            # Start as the identity (1706.02677, §5.1; for supernets 2003.11142, §3.1), so that a path of untrained
            # blocks passes its input on: a proxyless-32 supernet then had .68 instead of .40 after 40,000 images.
            norms = [part for part in self if isinstance(part, nn.BatchNorm2d)]
            nn.init.zeros_(norms[-1].weight)  # what follows it, if anything, gives 0 for 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the layers in order, and add the input where the block is residual."""
        y = super().forward(x)
        return x + y if self.residual else y
