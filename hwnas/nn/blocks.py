"""A `Block` as a torch module, built from the block's own walk."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

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
    """Channel attention (1709.01507): x · gate(W₂ act(W₁ mean(x))), both maps as 1×1 convolutions.

    The gate is a sigmoid, or in a layer that is `hard` its piecewise linear form (1905.02244, §5.2).
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(layer.cin, layer.mid, 1)
        self.act = ACTIVATIONS[layer.act]()
        self.expand = nn.Conv2d(layer.mid, layer.cin, 1)
        self.gate = nn.Hardsigmoid() if layer.hard else nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        squeezed = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.expand(self.act(self.reduce(squeezed))))


class Zero(nn.Module):
    """Zeros, which no gradient reaches."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.shape = (layer.cout, *layer.out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, C, H, W) to zeros (N, C, H', W') of the same type, in channels_last."""
        return x.new_zeros(x.shape[0], *self.shape).to(memory_format=torch.channels_last)


def modules(layer: Layer, eps: float = 1e-5) -> Iterator[tuple[str, nn.Module]]:
    """The named torch modules of one layer, in order."""
    padding = layer.kernel // 2
    match layer.kind:
        case "conv":
            sizes = (layer.cin, layer.cout, layer.kernel, layer.stride, padding)
            yield layer.name, nn.Conv2d(*sizes, groups=layer.groups, bias=False)
            yield f"{layer.name}_norm", nn.BatchNorm2d(layer.cout, eps)
        case "se":
            yield layer.name, SqueezeExcite(layer)
        case "shuffle":
            yield layer.name, nn.ChannelShuffle(layer.groups)  # unlike view and transpose, it stays channels_last
        case "avgpool":
            yield layer.name, nn.AvgPool2d(layer.kernel, layer.stride, padding, count_include_pad=False)
        case "maxpool":
            yield layer.name, nn.MaxPool2d(layer.kernel, layer.stride, padding)
        case "zero":
            yield layer.name, Zero(layer)
        case "pool":
            yield layer.name, nn.AdaptiveAvgPool2d(1)
            yield "flatten", nn.Flatten()
        case "linear":
            yield layer.name, nn.Linear(layer.cin, layer.cout)
    if layer.act and layer.kind != "se":
        yield f"{layer.name}_act", ACTIVATIONS[layer.act]()


def _sequence(layers: Iterable[Layer], eps: float) -> OrderedDict[str, nn.Module]:
    return OrderedDict(named for layer in layers for named in modules(layer, eps))


def initialise(module: nn.Module) -> None:
    """Kaiming-normal (fan out) convolutions, N(0, 0.01) linear weights, zero biases: as MobileNetV2 in torchvision."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
        if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


def fork(block: Block, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the shortcut of `block` gets of its input (N, cin, H, W), and what its main path gets."""
    return (x[:, ::2], x[:, 1::2]) if block.split else (x, x)


def join(block: Block, passed: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The output of `block` from those of its shortcut and its main path."""
    if block.joined:
        return torch.cat((passed, y), 1)
    return passed + y if block.residual else y


class BlockModule(nn.Sequential):
    """One block: (N, cin, H, W) to (N, cout, H', W'), or to (N, classes) for a classifier. A skip is empty.

    The children are those of the main path, and `shortcut` where the block has layers there. `eps` is BatchNorm's.
    """

    def __init__(self, block: Block, eps: float = 1e-5) -> None:
        super().__init__(_sequence(block.main, eps))
        if block.shortcut:
            self.shortcut = nn.Sequential(_sequence(block.shortcut, eps))
        self.block = block
        initialise(self)
        if block.residual:
            # Start as the identity (1706.02677, §5.1; for supernets 2003.11142, §3.1), so that a path of untrained
            # blocks passes its input on: a proxyless-32 supernet then had .68 instead of .40 after 40,000 images.
            norms = [part for part in self if isinstance(part, nn.BatchNorm2d)]
            nn.init.zeros_(norms[-1].weight)  # what follows it, if anything, gives 0 for 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the layers of each path in order, and join the paths as the block does."""
        passed, y = fork(self.block, x)
        for name, part in self.named_children():
            if name == "shortcut":
                passed = part(passed)
            else:
                y = part(y)
        return join(self.block, passed, y)
