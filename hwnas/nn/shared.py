"""Layers whose weights several candidates share: each runs with the part of them that it needs.

A layer holds weights of the largest size among its candidates. A smaller one has the first channels (1908.09791, §3.2;
2003.11142, §3.1) and, of a larger kernel, the centre. Parts are views, which autograd writes back to; a candidate of
full size uses the parameters themselves.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, assert_never, cast

import torch
import torch.nn.functional as F
from torch import nn

from ..space.layer import Act, Layer, Weighted
from .blocks import ACTIVATIONS

Kernels = Literal["crop", "transform", "separate"]
"""How the kernel sizes of a shared convolution relate. `crop`: the centre of the largest one. `transform`: the centre
of the next larger one through a linear map, the same for all channels, which starts as the identity (1908.09791, §3.2).
`separate`: each has weights of its own (2008.06120, §4.4)."""

_ACT: dict[Act, nn.Module] = {name: make() for name, make in ACTIVATIONS.items()} | {"": nn.Identity()}
Named = Iterator[tuple[str, torch.Tensor]]


def normalise(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float, training: bool) -> torch.Tensor:
    """BatchNorm of (N, C, H, W) over the batch; in eval mode with the statistics of a fresh norm, 0 and 1."""
    if training:
        return F.batch_norm(x, None, None, weight, bias, True, eps=eps)
    return F.batch_norm(x, torch.zeros_like(weight), torch.ones_like(weight), weight, bias, False, eps=eps)


def _activated(x: torch.Tensor, act: Act) -> torch.Tensor:
    y: torch.Tensor = _ACT[act](x)
    return y


def first(tensor: torch.Tensor, *sizes: int) -> torch.Tensor:
    """The first `sizes[i]` entries along each axis i: `tensor` itself where that is all of them."""
    for axis, size in enumerate(sizes):
        if tensor.shape[axis] != size:
            tensor = tensor.narrow(axis, 0, size)
    return tensor


def centre(weight: torch.Tensor, kernel: int) -> torch.Tensor:
    """The middle `kernel` × `kernel` of (C, C', K, K)."""
    start = (weight.shape[-1] - kernel) // 2
    return weight[:, :, start : start + kernel, start : start + kernel]


class SharedConv(nn.Module):
    """Convolution, BatchNorm and activation; the modules in here only hold the weights, in their full size."""

    normalise = staticmethod(normalise)  # `sync_norm.synchronise` puts another in its place

    def __init__(self, layers: Sequence[Layer], eps: float, kernels: Kernels) -> None:
        super().__init__()
        channels = max(layer.cout for layer in layers)
        depthwise = all(layer.groups == layer.cin > 1 for layer in layers)
        groups = channels if depthwise else layers[0].groups
        cin = channels if depthwise else max(layer.cin for layer in layers)
        *self.smaller, largest = sorted({layer.kernel for layer in layers})
        self.smaller.reverse()
        own = (*self.smaller, largest) if kernels == "separate" else (largest,)
        self.kernels = nn.ModuleDict(
            {str(kernel): nn.Conv2d(cin, channels, kernel, groups=groups, bias=False) for kernel in own}
        )
        self.largest = self.kernels[str(largest)]
        mapped = self.smaller if kernels == "transform" else ()
        self.maps = nn.ParameterDict({str(kernel): torch.eye(kernel**2) for kernel in mapped})
        self.norm = nn.BatchNorm2d(channels, eps, track_running_stats=False)

    def weight(self, layer: Layer) -> torch.Tensor:
        """The weight of `layer`: (cout, cin / groups, kernel, kernel)."""
        name = str(layer.kernel)
        conv = self.kernels[name] if name in self.kernels else self.largest  # noqa: SIM401 - it has no `get`
        weight = first(cast(torch.Tensor, conv.weight), layer.cout, layer.cin // layer.groups)
        if weight.shape[-1] == layer.kernel:
            return weight
        if not self.maps:
            return centre(weight, layer.kernel)
        for kernel in self.smaller[: self.smaller.index(layer.kernel) + 1]:
            weight = F.linear(centre(weight, kernel).flatten(2), self.maps[str(kernel)])
            weight = torch.unflatten(weight, 2, (kernel, kernel))
        return weight

    def forward(self, x: torch.Tensor, layer: Layer) -> torch.Tensor:
        """Run as `layer`: (N, cin, H, W) to (N, cout, H', W')."""
        x = F.conv2d(x, self.weight(layer), None, layer.stride, layer.kernel // 2, 1, layer.groups)
        gain, shift = first(self.norm.weight, layer.cout), first(self.norm.bias, layer.cout)
        normed = self.normalise(x, gain, shift, self.norm.eps, self.training)
        return _activated(normed, layer.act)

    def named(self, layer: Layer) -> Named:
        """The weights of `layer` by their names in a `BlockModule`."""
        yield f"{layer.name}.weight", self.weight(layer)
        yield f"{layer.name}_norm.weight", first(self.norm.weight, layer.cout)
        yield f"{layer.name}_norm.bias", first(self.norm.bias, layer.cout)


class SharedSqueezeExcite(nn.Module):
    """`SqueezeExcite`, where the channels and the squeezed channels are the first ones."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        channels, squeezed = max(layer.cin for layer in layers), max(layer.mid for layer in layers)
        self.reduce, self.expand = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor, layer: Layer) -> torch.Tensor:
        """Run as `layer`: features (N, C, H, W) to features of the same shape."""
        reduce, reduce_bias, expand, expand_bias = (weight for _, weight in self.named(layer))
        squeezed = _activated(F.conv2d(x.mean((2, 3), keepdim=True), reduce, reduce_bias), layer.act)
        y = F.conv2d(squeezed, expand, expand_bias)
        return x * (F.hardsigmoid(y) if layer.hard else torch.sigmoid(y))

    def named(self, layer: Layer) -> Named:
        """The weights of `layer` by their names in a `BlockModule`."""
        yield f"{layer.name}.reduce.weight", first(self.reduce.weight, layer.mid, layer.cin)
        yield f"{layer.name}.reduce.bias", first(cast(torch.Tensor, self.reduce.bias), layer.mid)
        yield f"{layer.name}.expand.weight", first(self.expand.weight, layer.cin, layer.mid)
        yield f"{layer.name}.expand.bias", first(cast(torch.Tensor, self.expand.bias), layer.cin)


class SharedLinear(nn.Module):
    """A linear layer and its activation, of the first features."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.linear = nn.Linear(max(layer.cin for layer in layers), max(layer.cout for layer in layers))

    def forward(self, x: torch.Tensor, layer: Layer) -> torch.Tensor:
        """Run as `layer`: (N, cin) to (N, cout)."""
        weight, bias = (weight for _, weight in self.named(layer))
        return _activated(F.linear(x, weight, bias), layer.act)

    def named(self, layer: Layer) -> Named:
        """The weights of `layer` by their names in a `BlockModule`."""
        yield f"{layer.name}.weight", first(self.linear.weight, layer.cout, layer.cin)
        yield f"{layer.name}.bias", first(self.linear.bias, layer.cout)


SharedLayer = SharedConv | SharedSqueezeExcite | SharedLinear


def shared_layer(kind: Weighted, layers: Sequence[Layer], eps: float, kernels: Kernels) -> SharedLayer:
    """Weights for all of `layers`, which are of this kind."""
    match kind:
        case "conv":
            return SharedConv(layers, eps, kernels)
        case "se":
            return SharedSqueezeExcite(layers)
        case "linear":
            return SharedLinear(layers)
        case _:
            assert_never(kind)
