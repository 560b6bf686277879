"""Compound scaling (EfficientNet, 1905.11946): a network at another width, depth and resolution."""

from math import ceil, inf
from typing import Any, NamedTuple

from ..errors import InputError
from .block import Block
from .chain import Chain, round_channels
from .net import Net

BOTTLENECKS = ("mbconv", "fbconv", "fused")
"""Blocks that widen their input inside; where they keep its shape, they add it."""


class Coefficients(NamedTuple):
    """What multiplies the channels and the layers of a network, and the pixels of its images a side."""

    width: float
    depth: float
    resolution: int


RELEASED = (
    Coefficients(1.0, 1.0, 224),
    Coefficients(1.0, 1.1, 240),
    Coefficients(1.1, 1.2, 260),
    Coefficients(1.2, 1.4, 300),
    Coefficients(1.4, 1.8, 380),
    Coefficients(1.6, 2.2, 456),
    Coefficients(1.8, 2.6, 528),
    Coefficients(2.0, 3.1, 600),
)
"""EfficientNet-B0 to B7 as their authors released them: no powers of the constants that `compound` has."""


def compound(
    phi: float, resolution: int = 224, alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15
) -> Coefficients:
    """The coefficients as the paper has them (§3.3): depth alpha^phi, width beta^phi, and the pixels a side
    `resolution` times gamma^phi. The MACs grow about (alpha · beta² · gamma²)^phi, which is 2^phi."""
    return Coefficients(beta**phi, alpha**phi, round(resolution * gamma**phi))


def scale(net: Net, width: float = 1.0, depth: float = 1.0, resolution: int | None = None) -> Net:
    """`net` with its channels times `width`, the layers of its stages times `depth`, for other images.

    Channels are rounded to multiples of 8, never under 90 %, and layers up. A stage keeps its first layers, or has its
    last one again. The first block, a convolution before the classifier, and the classifier are never repeated. Ratios
    inside a block are kept: of expanded channels to its input, and of squeezed ones to the input, or to the expanded
    ones where the gate is hard. The number of classes stays. Raises `InputError` for a scale that makes no network.
    """
    resolution = net.resolution if resolution is None else resolution
    if not all(0 < factor < inf for factor in (width, depth, resolution)):
        message = f"no network is {width:g} and {depth:g} times another at {resolution} px: give numbers above 0"
        raise InputError(message, code="scale.factors", width=width, depth=depth, resolution=resolution)
    stem, body, tail = sections(net)
    chain = Chain(resolution)
    for block in stem:
        _add(chain, block, width)
    for stage in stages(body):
        layers = ceil(len(stage) * depth)
        for block in stage[:layers]:
            _add(chain, block, width)
        for _ in range(layers - len(stage)):
            _add(chain, stage[-1], width, stride=1)
    for block in tail:
        _add(chain, block, width)
    return chain.net(net.name, net.eps)


def sections(net: Net) -> tuple[tuple[Block, ...], tuple[Block, ...], tuple[Block, ...]]:
    """The first block of `net`; those of its stages; and its end: the classifier, after a convolution if there is one.
    Raises `InputError` where it has no classifier, or is no chain."""
    stem, rest = net.chain[:1], net.chain[1:]
    if not rest or rest[-1].op != "classifier":
        message = "this network has no classifier at its end, and cannot be told apart into stages"
        raise InputError(message, code="net.no-classifier")
    end = len(rest) - (2 if len(rest) > 1 and rest[-2].op == "conv" else 1)
    return stem, rest[:end], rest[end:]


def stages(blocks: tuple[Block, ...]) -> list[list[Block]]:
    """`blocks` in stages: one that changes the shape, and those after it that keep it."""
    found: list[list[Block]] = []
    for block in blocks:
        if not found or block.stride > 1 or block.cin != block.cout:
            found.append([])
        found[-1].append(block)
    return found


def _add(chain: Chain, block: Block, width: float, stride: int | None = None) -> None:
    """Append `block` with `width` times its channels, after what `chain` has, and with `stride` in place of its own.
    Raises `InputError` naming a block that cannot have so many."""
    cin, stride = chain.channels, stride or block.stride
    cout = block.cout if block.op == "classifier" else _wider(block.cout, width)
    changes: dict[str, Any] = {"cout": cout, "stride": stride}
    inside = cout
    if block.op in BOTTLENECKS:
        changes["mid"] = mid = _in_proportion(block.mid, block.cin, cin)
        inside = mid or cin * block.expansion
    elif block.mid:
        changes["mid"] = _wider(block.mid, width)
    changes["se"] = _squeezed(block, cin, inside)
    if stride == 1 and cin == cout:
        keeps_shape = block.stride == 1 and block.cin == block.cout
        changes["residual"] = block.residual if keeps_shape else block.op in BOTTLENECKS
    try:
        chain.add_like(block, **changes)
    except ValueError as error:
        message = f"{block.key} cannot be {width:g} times as wide: {error}"
        raise InputError(message, code="scale.block", block=block.key, width=width) from None


def _wider(channels: int, width: float) -> int:
    return channels if width == 1 else round_channels(channels * width)


def _in_proportion(part: int, before: int, after: int) -> int:
    """As large a part of `after` as `part` is of `before`, rounded as channels are."""
    return part if before == after or part == 0 else round_channels(after * part / before)


def _squeezed(block: Block, cin: int, inside: int) -> int:
    """The squeezed channels of `block` where it has `cin` channels, and `inside` that are squeezed."""
    before = block.cout if block.op == "conv" else block.expanded
    if block.se == 0 or (cin, inside) == (block.cin, before):
        return block.se
    if not block.hard:
        return max(1, round(cin * block.se / block.cin))
    if block.se == round_channels(before / 4):  # a quarter (1905.02244, §5.3), much of which may be due to rounding
        return round_channels(inside / 4)
    return _in_proportion(block.se, before, inside)
