"""A `Block` as a torch module, built from the block's own walk."""

from collections.abc import Callable, Iterator
from functools import reduce
from typing import TypeVar, assert_never

import torch
from torch import nn

from ..space.fold import fold
from ..space.net import Act, Block, Layer
from .masks import Masks

M = TypeVar("M", bound=nn.Module)

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
        weighted: torch.Tensor = x * self.gate(self.expand(self.act(self.reduce(squeezed))))
        return weighted


class Zero(nn.Module):
    """Zeros, which no gradient reaches."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.shape = (layer.cout, *layer.out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, C, H, W) to zeros (N, C, H', W') of the same type, in channels_last."""
        return x.new_zeros(x.shape[0], *self.shape).to(memory_format=torch.channels_last)


class EverySecond(nn.Module):
    """Every second channel, from the one at the layer's `offset`."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.offset = layer.offset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, C, H, W) to a view (N, C / 2, H, W)."""
        return x[:, self.offset :: 2]


class Add(nn.Module):
    """The sum of all inputs.

    In training the last one, which is the main path of a residual block, is left out of a share `drop_path` of the
    images, and larger by as much for the others (stochastic depth, 1603.09382, scaled as EfficientNet's): of those
    that `masks` say, by the `place` of this layer.
    """

    drop_path, masks, place = 0.0, Masks(), 0

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Several features of one shape to one."""
        if self.training and self.drop_path:
            *others, main = inputs
            kept = self.masks.draw(self.place, self.drop_path, main[:, :1, 0, 0])
            inputs = (*others, main * kept[:, :, None, None])
        return reduce(torch.add, inputs)


class Linear(nn.Linear):
    """A linear layer, in training with a share `dropout` of its inputs at zero (1207.0580) and the others larger: of
    those that `masks` say, by the `place` of this layer."""

    dropout, masks, place = 0.0, Masks(), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, cin) to (N, cout)."""
        if self.training and self.dropout:
            x = x * self.masks.draw(self.place, self.dropout, x)
        return super().forward(x)


class Concat(nn.Module):
    """The channels of all inputs, one input after the other."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Features (N, C₁, H, W), (N, C₂, H, W), … to (N, C₁ + C₂ + …, H, W)."""
        return torch.cat(inputs, 1)


def modules(layer: Layer, eps: float = 1e-5) -> Iterator[tuple[str, nn.Module]]:
    """The named torch modules of one layer, in order; the first takes as many inputs as the layer has sources."""
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
            yield layer.name, Linear(layer.cin, layer.cout)
        case "split":
            yield layer.name, EverySecond(layer)
        case "add":
            yield layer.name, Add()
        case "concat":
            yield layer.name, Concat()
        case _:
            assert_never(layer.kind)
    if layer.act and layer.kind != "se":
        yield f"{layer.name}_act", ACTIVATIONS[layer.act]()


def attach(parent: nn.Module, name: str, module: nn.Module) -> None:
    """Make `module` the child `name` of `parent`; the dots in the name are modules in between."""
    first, _, rest = name.partition(".")
    if rest:
        if first not in parent._modules:
            parent.add_module(first, nn.Sequential())  # as a Sequential its norms are found and folded at export
        attach(parent.get_submodule(first), rest, module)
    elif first in parent._modules:
        raise TypeError(f"two layers of one block are named {first}")
    else:
        parent.add_module(first, module)


def find(parent: nn.Module, name: str) -> nn.Module | None:
    """The child `name` of `parent`, as `attach` names it; None where there is none."""
    if "." not in name:
        return parent._modules.get(name)
    first, _, rest = name.partition(".")
    inner = parent._modules.get(first)
    return None if inner is None else find(inner, rest)


def in_channels_last(module: M) -> M:
    """`module` with its weights in channels_last, the faster layout for convolutions."""
    moved: M = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub leaves it out
    return moved


def initialise(module: nn.Module) -> None:
    """Kaiming-normal (fan out) convolutions, N(0, 0.01) linear weights, zero biases: as MobileNetV2 in torchvision."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
        if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


def last_conv(block: Block) -> str:
    """The name of the last convolution of a residual block, on its main path: what follows it, if anything, gives 0
    for 0, and so its norm says whether the block starts as the identity."""
    return [layer.name for layer in block.layers if layer.kind == "conv"][-1]


class BlockModule(nn.Sequential):
    """One block: (N, cin, H, W) to (N, cout, H', W'), or to (N, classes) for a classifier. A skip is empty.

    A join takes `fan_in` such inputs. The children are named after the layers of the walk. `eps` is BatchNorm's.
    """

    def __init__(self, block: Block, eps: float = 1e-5) -> None:
        super().__init__()
        self.block = block
        self.steps: list[list[str]] = []
        for layer in block.layers:
            named = dict(modules(layer, eps))
            for name, module in named.items():
                attach(self, name, module)
            self.steps.append(list(named))
        initialise(self)
        if block.residual:
            # Start as the identity (1706.02677, §5.1; for supernets 2003.11142, §3.1), so that a path of untrained
            # blocks passes its input on: a proxyless-32 supernet then had .68 instead of .40 after 40,000 images.
            norm = self.get_submodule(f"{last_conv(block)}_norm")
            nn.init.zeros_(norm.get_parameter("weight"))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Run every layer on what its sources gave."""
        return fold(self.block.wiring, inputs, self._run)

    def _run(self, index: int, inputs: list[torch.Tensor]) -> torch.Tensor:
        """Run the modules of layer `index`, but for norms that were folded into their convolutions at export."""
        first, *rest = [module for name in self.steps[index] if (module := find(self, name)) is not None]
        y: torch.Tensor = first(*inputs)
        for module in rest:
            y = module(y)
        return y
