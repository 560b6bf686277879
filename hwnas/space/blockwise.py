"""The spaces in which the layers of a stage share their decisions: MnasNet, and the surroundings of EfficientNet-B0."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .net import Block, Op
from .space import Choice, Elastic, SearchSpace

Width = int | tuple[Choice, tuple[int, ...]]
"""Channels: a number, or a choice and the number for each of its options."""


@dataclass(frozen=True)
class Stage:
    """Layers that are alike, but that only the first may change the shape.

    `counts` are the options for how many layers there are, and `widths` those for their channels. `layer` makes one of
    cin, cout, height and stride, and of the index of the chosen option for each of `decisions`.
    """

    name: str
    counts: tuple[int, ...]
    widths: tuple[int, ...]
    stride: int
    decisions: tuple[Choice, ...]
    layer: Callable[..., Block]

    @property
    def width(self) -> tuple[Choice, tuple[int, ...]]:
        """The choice of the channels, and what they are."""
        return Choice(f"{self.name} width", tuple(map(str, self.widths))), self.widths

    def parts(self, before: Width, size: int) -> Iterator[Elastic]:
        """Every layer that the stage can have, in order, after `before` channels of `size` × `size` pixels."""
        width = self.width[0]

        def first(cin: int, w: int, *indices: int) -> Block:
            return self.layer(cin, self.widths[w], size, self.stride, *indices)

        part = after(before, (width, *self.decisions), first)
        yield part
        out = part.candidates[0].out[0]

        def later(w: int, *indices: int) -> Block:
            return self.layer(self.widths[w], self.widths[w], out, 1, *indices)

        for index in range(1, max(self.counts)):
            yield self._perhaps(index, later, out)

    def _perhaps(self, index: int, later: Callable[..., Block], size: int) -> Elastic:
        """The layer of this index, which is absent where there are too few."""
        choices = (self.width[0], *self.decisions)
        if index < min(self.counts):
            return Elastic.of(choices, later)
        depth = Choice(f"{self.name} layers", tuple(map(str, self.counts)))

        def block(d: int, w: int, *indices: int) -> Block:
            absent = Block("skip", self.widths[w], self.widths[w], size, size)
            return later(w, *indices) if index < self.counts[d] else absent

        return Elastic.of((depth, *choices), block)


def after(before: Width, choices: Sequence[Choice], block: Callable[..., Block]) -> Elastic:
    """A place whose input has `before` channels: `block` makes it of them and of an index for each of `choices`."""
    if isinstance(before, int):
        return Elastic.of(choices, lambda *indices: block(before, *indices))
    choice, widths = before
    return Elastic.of((choice, *choices), lambda index, *indices: block(widths[index], *indices))


CONV_OPS: dict[str, tuple[Op, int]] = {
    "conv": ("conv", 1),
    "dwconv": ("mbconv", 1),
    "mbconv3": ("mbconv", 3),
    "mbconv6": ("mbconv", 6),
}
"""MnasNet's convolutions: kind of block, and expansion."""
SKIP_OPS = ("none", "pooling", "identity")
KERNELS = (3, 5)


def _mnasnet_layer(cin: int, cout: int, size: int, stride: int, op: int, kernel: int, se: int, skip: int) -> Block:
    kind, expansion = list(CONV_OPS.values())[op]
    residual = stride == 1 and cin == cout and SKIP_OPS[skip] != "none"
    pooled = residual and SKIP_OPS[skip] == "pooling"
    return Block(kind, cin, cout, size, size, KERNELS[kernel], stride, expansion,
                 se=cin // 4 * se, act="relu", residual=residual, pooled=pooled)  # fmt: skip


def mnasnet(classes: int = 1000) -> SearchSpace:
    """MnasNet's factorised hierarchical space (1807.11626, §4.1) at 224 px: 432^5 = 1.5 · 10^13 architectures.

    The layers of a block share their operation (convolution, depthwise separable, MBConv of expansion 3 or 6), kernel,
    squeeze-and-excite to a quarter of the input's channels or none, what is added from the input (nothing, its average
    over 3×3 pixels, or itself), and 0.75, 1 or 1.25 times the channels of MobileNetV2; there may be one less or more.

    The text names one MBConv, and figure 4 has the 7 blocks of MobileNetV2; the count, 432 choices for each of 5
    blocks, needs two of the one and 5 of the other. We follow the count: the first block and the last, of one layer
    each, are MobileNetV2's, as they are in the released networks. A first layer changes the shape, so that it has
    nothing to add whatever is chosen.
    """
    parts: list[Block | Elastic] = [Block("conv", 3, 32, 224, 224, 3, 2, act="relu")]
    parts.append(Block("mbconv", 32, 16, 112, 112, 3, act="relu"))
    before: Width = 16
    size = 112
    for number, (width, count, stride) in enumerate([(24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2)], 2):
        options = {"op": tuple(CONV_OPS), "kernel": ("3", "5"), "se": ("0", "0.25"), "skip": SKIP_OPS}
        decisions = tuple(Choice(f"block {number} {what}", values) for what, values in options.items())
        counts, widths = (count - 1, count, count + 1), (width * 3 // 4, width, width * 5 // 4)
        stage = Stage(f"block {number}", counts, widths, stride, decisions, _mnasnet_layer)
        layers = list(stage.parts(before, size))
        parts += layers
        before, size = stage.width, layers[-1].candidates[0].out[0]
    parts.append(after(before, (), lambda cin: Block("mbconv", cin, 320, size, size, 3, expansion=6, act="relu")))
    parts += [Block("conv", 320, 1280, size, size, act="relu"), Block("classifier", 1280, classes, size, size)]
    return SearchSpace("mnasnet", tuple(parts), "MnasNet, arXiv 1807.11626")


B0 = (
    ((8, 16, 24), 1, 1),
    ((16, 24, 32), 2, 2),
    ((32, 40, 48), 2, 2),
    ((64, 80, 104), 3, 2),
    ((88, 112, 144), 3, 1),
    ((144, 192, 240), 4, 2),
    ((240, 320, 400), 1, 1),
)
"""The stages around EfficientNet-B0's (1905.11946, table 1): widths, of which the second is its own, its number of
layers, and stride. The others are a quarter away, rounded to another multiple of 8."""


def efficientnet_b0(classes: int = 1000) -> SearchSpace:
    """The surroundings of EfficientNet-B0 at 224 px, 24 · 72^2 · 36^3 · 24 = 1.4 · 10^11 networks, of which B0 is one.

    Ours, of published parts. Each stage has what EfficientNetV2 searches (2104.00298, §3.3), but for expansion 1:
    kernel 3 or 5, expansion 4 or 6, and MBConv or fused in the first three stages, as in later ones fused is slower
    (§3.2); and MnasNet's steps (1807.11626, §4.1): a quarter of the channels, and one layer, less or more. The first
    stage widens nothing and every layer has squeeze-and-excite to a quarter of its input's channels, as in B0.
    """
    parts: list[Block | Elastic] = [Block("conv", 3, 32, 224, 224, 3, 2, act="swish")]
    before: Width = 32
    size = 112
    for number, (widths, count, stride) in enumerate(B0, start=1):
        ops: tuple[Op, ...] = ("mbconv", "fused") if number <= 3 else ("mbconv",)
        stage = _efficientnet_stage(f"stage {number}", ops, (4, 6) if number > 1 else (1,), widths, count, stride)
        layers = list(stage.parts(before, size))
        parts += layers
        before, size = stage.width, layers[-1].candidates[0].out[0]
    parts.append(after(before, (), lambda cin: Block("conv", cin, 1280, size, size, act="swish")))
    parts.append(Block("classifier", 1280, classes, size, size))
    return SearchSpace("efficientnet-b0", tuple(parts), "around EfficientNet-B0, arXiv 1905.11946")


def _efficientnet_stage(
    name: str, ops: tuple[Op, ...], expansions: tuple[int, ...], widths: tuple[int, ...], count: int, stride: int
) -> Stage:
    """What has one option alone is no decision."""
    options: dict[str, Sequence[object]] = {"op": ops, "kernel": KERNELS, "expansion": expansions}
    decisions = {what: values for what, values in options.items() if len(values) > 1}

    def layer(cin: int, cout: int, size: int, stride: int, *indices: int) -> Block:
        picked = dict(zip(decisions, indices, strict=True))
        op, kernel = ops[picked.get("op", 0)], KERNELS[picked.get("kernel", 0)]
        expansion = expansions[picked.get("expansion", 0)]
        residual = stride == 1 and cin == cout
        return Block(op, cin, cout, size, size, kernel, stride, expansion, se=cin // 4, act="swish", residual=residual)

    choices = tuple(Choice(f"{name} {what}", tuple(map(str, values))) for what, values in decisions.items())
    counts = tuple(n for n in (count - 1, count, count + 1) if n)
    return Stage(name, counts, widths, stride, choices, layer)
