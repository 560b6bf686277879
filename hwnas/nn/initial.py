"""The weights that a network begins with: those of another network of the same architecture.

Its images may be of another size and its classes others: then the last linear layer begins anew. Where its BatchNorms
have another epsilon, their gains are scaled, so that in eval mode the network is the same function.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import nn

from ..errors import InputError
from ..space.net import Block, Net
from . import timm_weights, weights
from .build import Network

SIZES = ("height", "width")
"""Fields of `Block` that no weight depends on."""


@dataclass(frozen=True)
class Filled:
    """The names of the weights that were `loaded`, and of those that are `new`: as they were."""

    loaded: tuple[str, ...]
    new: tuple[str, ...]


def with_classes(net: Net, classes: int) -> Net:
    """`net` for so many classes."""
    *body, last = net.blocks
    return net if last.cout == classes else replace(net, blocks=(*body, replace(last, cout=classes)))


def same_weights(block: Block, other: Block, last: bool = False) -> bool:
    """Whether both compute the same with the same weights; of the `last` blocks of networks, but for the classes."""
    leave = (*SIZES, "cout") if last else SIZES
    return all(getattr(block, field.name) == getattr(other, field.name) for field in fields(block)
               if field.name not in leave)  # fmt: skip


def require_same_architecture(net: Net, other: Net) -> None:
    """Raise `InputError` ("initial.other-architecture") naming the first block in which `other` differs from `net`, but
    for classes and the size of images."""
    count = max(len(net.blocks), len(other.blocks))
    for index in range(count):
        ours, theirs = (one.blocks[index] if index < len(one.blocks) else None for one in (net, other))
        if ours and theirs and same_weights(ours, theirs, index == count - 1):
            if net.wiring[index] == other.wiring[index]:
                continue
            message = f"block {index} takes blocks {other.wiring[index]} there, and {net.wiring[index]} here"
        else:
            message = f"block {index} is {_named(theirs)} there, and {_named(ours)} here"
        raise InputError(f"the weights are of another architecture: {message}", code="initial.other-architecture",
                         block=index)  # fmt: skip


def _named(block: Block | None) -> str:
    return block.key if block else "missing"


@torch.no_grad()
def fill(module: Network, source: Network) -> Filled:
    """Copy the weights and the statistics of `source` into `module`; the last linear layer stays as it is where the
    classes differ. Raises `InputError` as `require_same_architecture`, and then changes nothing."""
    require_same_architecture(module.net, source.net)
    given = dict(gains_for(source, module.net.eps))
    loaded: list[str] = []
    new: list[str] = []
    for name, target in module.state_dict().items():
        fits = target.shape == given[name].shape
        (loaded if fits else new).append(name)
        if fits:
            target.copy_(given[name])
    return Filled(tuple(loaded), tuple(new))


def gains_for(source: Network, eps: float) -> Iterator[tuple[str, torch.Tensor]]:
    """The state of `source` for norms of the epsilon `eps`: γ·sqrt((σ² + ε')/(σ² + ε)) in place of γ."""
    state = source.state_dict()
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        variance = state.get(f"{layer}.running_var")
        if kind == "weight" and variance is not None and eps != source.net.eps:
            yield name, value * ((variance + eps) / (variance + source.net.eps)).sqrt()
        else:
            yield name, value


def read(net: Net, path: Path, timm: str | None = None) -> Network:
    """The network in the file `path`, of the architecture of `net` and whatever classes, in eval mode; `timm` names the
    model where the weights are timm's. Raises `InputError` as `weights.load`."""
    state, named = weights.read_named(path)
    name = timm or named
    if name and (timm or timm_weights.is_timm(state)):
        classes = timm_weights.classes_in(name, state)
    else:
        classes = _classes_in(state) or net.classes
    return weights.load(with_classes(net, classes), path, timm)


def download(net: Net, name: str) -> Network:
    """The network of timm's model `name`, with the weights that timm fetches, in eval mode. Raises `InputError` as
    `timm_weights.download`, and where that is another network than `net`."""
    theirs = timm_weights.download(name)
    try:
        return weights.adopt_timm(with_classes(net, count_classes(theirs)), theirs, name)
    except InputError as error:
        raise InputError(f"timm:{name}: {error}", code=error.code, **error.fields) from None


def read_timm(name: str, path: Path) -> nn.Module:
    """timm's model `name` with the weights in the file `path`, of whatever classes, in eval mode. Raises `InputError`
    as `weights.read` and `timm_weights.original`."""
    state = weights.read(path)
    return timm_weights.original(name, state, timm_weights.classes_in(name, state))


def count_classes(module: nn.Module) -> int:
    """The outputs of a model of timm."""
    classes = module.num_classes
    assert isinstance(classes, int)
    return classes


def _classes_in(state: Mapping[str, torch.Tensor]) -> int | None:
    """The rows of the last weight of a linear layer, or of a convolution of one pixel in its place; None where there is
    none. Weights of our own count by the number of their block, in whatever order the file has them."""
    last = [name for name, value in state.items() if name.endswith("weight") and value.ndim >= 2]
    if weights.is_own(state):
        linear = [name for name in last if name.endswith("linear.weight")]
        last = sorted(linear, key=lambda name: int(name.split(".")[0]))
    return len(state[last[-1]]) if last else None
