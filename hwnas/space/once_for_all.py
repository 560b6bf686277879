"""The space of Once-for-all (1908.09791): MobileNetV3 with elastic kernel, expansion, depth, width and resolution."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from .chain import round_channels
from .layer import Act
from .net import Block
from .space import Choice, Elastic, Part, SearchSpace

KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)


@dataclass(frozen=True)
class Stage:
    """Layers of one width: its channels before they are multiplied, the stride of the first layer, and their kind."""

    channels: int
    stride: int
    act: Act
    excited: bool


@dataclass(frozen=True)
class Frame:
    """What is not chosen: channels and stride of the stem, the stages, and the features before and in the classifier's
    hidden layer. All channels are before they are multiplied by the width."""

    stem: int
    stride: int
    stages: tuple[Stage, ...]
    features: int
    hidden: int


LARGE = Frame(
    stem=16,
    stride=2,
    stages=(
        Stage(24, 2, "relu", False),
        Stage(40, 2, "relu", True),
        Stage(80, 2, "hswish", False),
        Stage(112, 1, "hswish", True),
        Stage(160, 2, "hswish", True),
    ),
    features=960,
    hidden=1280,
)
"""MobileNetV3-large (1905.02244, table 1), as the paper's code has it."""

THIN = Frame(
    stem=16,
    stride=2,
    stages=(Stage(24, 2, "relu", False), Stage(48, 2, "hswish", True), Stage(96, 1, "hswish", True)),
    features=288,
    hidden=320,
)
"""Ours, for 32×32 images: 8 times smaller at the end instead of 32 times."""


def once_for_all(
    name: str,
    frame: Frame,
    classes: int,
    depths: Sequence[int],
    widths: Sequence[float],
    resolutions: Sequence[int],
) -> SearchSpace:
    """The space of the networks of `frame` whose stages have one of `depths` layers, in one of `widths` (multipliers)
    and at one of `resolutions` (pixels).

    Kernel and expansion are two decisions of a layer, not one of nine, as they are two dimensions of the networks in
    the paper (§3.2). A stage of fewer layers lacks its last ones, so what those would be makes no difference: with
    depths of 2, 3 and 4, one width and one resolution have (9^2 + 9^3 + 9^4)^5 different networks.
    """
    width = Choice("width", tuple(f"{value:g}" for value in widths))
    resolution = Choice("resolution", tuple(map(str, resolutions)))
    forms = [tuple(_parts(frame, classes, depths, *form)) for form in product(widths, resolutions)]
    parts = tuple(_with_choices((width, resolution), same) for same in zip(*forms, strict=True))
    of_stage = sum((len(KERNELS) * len(EXPANSIONS)) ** depth for depth in depths)
    distinct = len(forms) * of_stage ** len(frame.stages)
    return SearchSpace(name, parts, "Once-for-all, arXiv 1908.09791", distinct=distinct)


def _with_choices(shared: tuple[Choice, ...], forms: Sequence[Part]) -> Elastic:
    """One place of the network, which is one of `forms` by the choices `shared`, and what it says by its own."""
    own = forms[0].choices if isinstance(forms[0], Elastic) else ()
    blocks: list[Block] = []
    for form in forms:
        blocks += [form] if isinstance(form, Block) else form.candidates
    return Elastic((*shared, *own), tuple(blocks))


def _parts(
    frame: Frame, classes: int, depths: Sequence[int], width: float, resolution: int
) -> Iterator[Block | Elastic]:
    """The space of one width and resolution."""
    cin = round_channels(frame.stem * width)
    stem = Block("conv", 3, cin, resolution, resolution, 3, frame.stride, act="hswish")
    yield stem
    yield Block("mbconv", cin, cin, *stem.out, 3, act="relu", residual=True)
    size = stem.out[0]
    for number, stage in enumerate(frame.stages, start=1):
        for part in _stage(stage, number, cin, round_channels(stage.channels * width), size, depths):
            yield part
            size = part.candidates[0].out[0]
        cin = round_channels(stage.channels * width)
    features, hidden = round_channels(frame.features * width), round_channels(frame.hidden * width)
    yield Block("conv", cin, features, size, size, act="hswish")
    yield Block("classifier", features, classes, size, size, mid=hidden, act="hswish")


def _stage(stage: Stage, number: int, cin: int, cout: int, size: int, depths: Sequence[int]) -> Iterator[Elastic]:
    depth = Choice(f"stage {number} depth", tuple(map(str, depths)))
    for index in range(max(depths)):
        stride = stage.stride if index == 0 else 1
        kernel = Choice(f"stage {number} layer {index + 1} kernel", tuple(map(str, KERNELS)))
        expansion = Choice(f"stage {number} layer {index + 1} expansion", tuple(map(str, EXPANSIONS)))
        blocks = [_block(stage, cin, cout, size, k, stride, e) for k, e in product(KERNELS, EXPANSIONS)]
        if index < min(depths):
            yield Elastic((kernel, expansion), tuple(blocks))
        else:
            skips = [Block("skip", cout, cout, size, size)] * len(blocks)
            present = [blocks if index < d else skips for d in depths]
            yield Elastic((depth, kernel, expansion), tuple(block for row in present for block in row))
        cin, size = cout, blocks[0].out[0]


def _block(stage: Stage, cin: int, cout: int, size: int, kernel: int, stride: int, expansion: int) -> Block:
    mid = round_channels(cin * expansion)
    se = round_channels(mid // 4) if stage.excited else 0
    residual = stride == 1 and cin == cout
    return Block("mbconv", cin, cout, size, size, kernel, stride, se=se, act=stage.act,
                 residual=residual, mid=mid, hard=stage.excited)  # fmt: skip


def mobilenetv3(
    classes: int = 1000,
    widths: Sequence[float] = (1.0, 1.2),
    resolutions: Sequence[int] = (160, 176, 192, 208, 224),
) -> SearchSpace:
    """Once-for-all's MobileNetV3 (1908.09791, §4.1): (9^2 + 9^3 + 9^4)^5 = 2 · 10^19 networks for each width and size.

    Its authors' code has one supernet for each of these widths, and latencies at these resolutions; the paper trains
    at 128 to 224 px in steps of 4. There the classifier's hidden layer has no bias; here it has one, as in MobileNetV3.
    """
    return once_for_all("mobilenetv3", LARGE, classes, (2, 3, 4), widths, resolutions)


def mobilenetv3_32(
    classes: int = 10, widths: Sequence[float] = (0.75, 1.0), resolutions: Sequence[int] = (24, 32)
) -> SearchSpace:
    """The same for 32×32 images, small enough for a CPU: three stages of 1 to 3 layers. Ours, not published."""
    return once_for_all("mobilenetv3-32", THIN, classes, (1, 2, 3), widths, resolutions)
