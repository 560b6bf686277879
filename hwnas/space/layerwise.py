"""The spaces in which every layer is chosen for itself: chains of slots."""

from collections.abc import Callable, Sequence

from .chain import round_channels
from .net import Block
from .space import SearchSpace, Slot

KERNELS = (3, 5, 7)
EXPANSIONS = (3, 6)
Stage = tuple[int, int, int]
"""Width, layers and the first layer's stride."""


def _proxyless_slot(cin: int, cout: int, size: int, stride: int) -> Slot:
    """ProxylessNAS's candidates: MBConv of each kernel and expansion, and skip where the shape allows it."""
    residual = stride == 1 and cin == cout
    convs = (
        Block("mbconv", cin, cout, size, size, kernel, stride, expansion, act="relu6", residual=residual)
        for kernel in KERNELS
        for expansion in EXPANSIONS
    )
    return Slot((*convs, *([Block("skip", cin, cout, size, size)] if residual else [])))


def _fbnet_slot(cin: int, cout: int, size: int, stride: int) -> Slot:
    """FBNet's candidates (1812.03443, table 2), and skip, which is a 1×1 convolution where the shape changes."""
    residual = stride == 1 and cin == cout
    convs = (
        Block("fbconv", cin, cout, size, size, kernel, stride, expansion, groups, act="relu", residual=residual)
        for kernel in (3, 5)
        for expansion, groups in ((1, 1), (1, 2), (3, 1), (6, 1))
    )
    projection = Block("conv", cin, cout, size, size, 1, stride, act="relu")
    return Slot((*convs, Block("skip", cin, cout, size, size) if residual else projection))


def _macro_slot(cin: int, cout: int, size: int, stride: int) -> Slot:
    """NAS-Bench-Macro's candidates in the order of its digits: identity, or a 1×1 convolution where the shape changes;
    MBConv of kernel 3 and expansion 3; MBConv of kernel 5 and expansion 6."""
    residual = stride == 1 and cin == cout
    identity = Block("skip", cin, cout, size, size) if residual else Block("conv", cin, cout, size, size, 1, stride)
    convs = (
        Block("mbconv", cin, cout, size, size, kernel, stride, expansion, act="relu", residual=residual)
        for kernel, expansion in ((3, 3), (5, 6))
    )
    return Slot((identity, *convs))


def _parts(
    stem: Sequence[Block], stages: Sequence[Stage], slot: Callable[[int, int, int, int], Slot], head: int, classes: int
) -> tuple[Block | Slot, ...]:
    """The stem, a slot for each layer of each stage, a 1×1 convolution to `head` channels, and the classifier."""
    slots: list[Slot] = []
    cin, size, act = stem[-1].cout, stem[-1].out[0], stem[0].act
    for cout, layers, first_stride in stages:
        for layer in range(layers):
            slots.append(slot(cin, cout, size, first_stride if layer == 0 else 1))
            cin, size = cout, slots[-1].candidates[0].out[0]
    last = (Block("conv", cin, head, size, size, act=act), Block("classifier", head, classes, size, size))
    return (*stem, *slots, *last)


def _proxyless(
    name: str, size: int, stem: tuple[int, int, int], stages: Sequence[Stage], head: int, classes: int
) -> SearchSpace:
    """`stem` is (width, stride, first block's width)."""
    width, stride, cin = stem
    conv = Block("conv", 3, width, size, size, 3, stride, act="relu6")
    first = Block("mbconv", width, cin, *conv.out, 3, act="relu6")
    parts = _parts((conv, first), stages, _proxyless_slot, head, classes)
    return SearchSpace(name, parts, "ProxylessNAS, arXiv 1812.00332")


def proxyless(classes: int = 1000) -> SearchSpace:
    """ProxylessNAS for ImageNet at 224 px, exactly as published (1812.00332, §4.2): 21 slots, 6^6 · 7^15 networks."""
    stages = [(24, 4, 2), (40, 4, 2), (80, 4, 2), (96, 4, 1), (192, 4, 2), (320, 1, 1)]
    return _proxyless("proxyless", 224, (32, 2, 16), stages, 1280, classes)


def proxyless_32(classes: int = 10) -> SearchSpace:
    """The same idea for 32×32 images, small enough to search on a CPU in minutes: 9 slots, 6^3 · 7^6 networks.

    Ours, not published: thinner and shallower, and 8 times smaller at the end instead of 32 times, so that the last
    stages still see 4×4 pixels."""
    stages = [(24, 3, 2), (48, 3, 2), (96, 3, 1)]
    return _proxyless("proxyless-32", 32, (16, 2, 16), stages, 320, classes)


def _fbnet(name: str, size: int, strides: Sequence[int], head: int, classes: int) -> SearchSpace:
    """`strides` are those of the stem and then of each stage."""
    widths, layers = (16, 24, 32, 64, 112, 184, 352), (1, 4, 4, 4, 4, 4, 1)
    stem = Block("conv", 3, 16, size, size, 3, strides[0], act="relu")
    stages = list(zip(widths, layers, strides[1:], strict=True))
    return SearchSpace(name, _parts((stem,), stages, _fbnet_slot, head, classes), "FBNet, arXiv 1812.03443")


def fbnet(classes: int = 100) -> SearchSpace:
    """FBNet (1812.03443, table 1) for 32×32 images, with the strides of HW-NAS-Bench (2103.10584): 9^22 networks.

    The candidates of a slot are in the order of that benchmark's latencies: k3_e1, k3_e1_g2, k3_e3, k3_e6, the same
    with k5, and skip."""
    return _fbnet("fbnet", 32, (1, 1, 1, 2, 2, 1, 2, 1), 1504, classes)


def fbnet_imagenet(classes: int = 1000, head: int = 1504) -> SearchSpace:
    """FBNet for ImageNet at 224 px (1812.03443, table 1): 9^22 networks, with candidates in the same order.

    `head` is the channels before the classifier: 1504 in the paper, and 1984 in FBNet-B and FBNet-C as released."""
    return _fbnet("fbnet-imagenet", 224, (2, 1, 2, 2, 2, 1, 2, 1), head, classes)


def nas_bench_macro(classes: int = 10, width: float = 1.0, resolution: int = 32, name: str = "") -> SearchSpace:
    """NAS-Bench-Macro (2103.11922): 8 layers of 3 candidates for CIFAR-10, 3^8 networks that were all trained.

    At width 1 and 32 px the parameters and MACs are the published ones. `width` multiplies all channels, rounded to
    multiples of 8, and `resolution` is of the images: for networks as many but cheaper to train, under a `name` of
    their own.
    """
    stem, *widths, head = (round_channels(width * channels) for channels in (32, 64, 128, 256, 1280))
    stages = [(cout, layers, 2) for cout, layers in zip(widths, (2, 3, 3), strict=True)]
    conv = Block("conv", 3, stem, resolution, resolution, 3, act="relu")
    parts = _parts((conv,), stages, _macro_slot, head, classes)
    return SearchSpace(name or "nas-bench-macro", parts, "NAS-Bench-Macro, arXiv 2103.11922")


def nas_bench_macro_16(classes: int = 10) -> SearchSpace:
    """NAS-Bench-Macro at a quarter of the width for images of 16 px: small enough to compare searches on a CPU."""
    return nas_bench_macro(classes, width=0.25, resolution=16, name="nas-bench-macro-16")


def _spos_slot(cin: int, cout: int, size: int, stride: int) -> Slot:
    """SPOS's candidates (1904.00420, §4): ShuffleNetV2's unit of kernel 3, 5 and 7, and its Xception unit."""
    units = [Block("shuffle", cin, cout, size, size, k, stride, act="relu", mid=cout // 2) for k in KERNELS]
    return Slot((*units, Block("xception", cin, cout, size, size, 3, stride, act="relu", mid=cout // 2)))


def spos(classes: int = 1000) -> SearchSpace:
    """Single Path One-Shot's blocks of ShuffleNetV2 (1904.00420, table 1) at 224 px: 20 layers, 4^20 networks.

    The published classifier has no bias; this one has."""
    stem = Block("conv", 3, 16, 224, 224, 3, 2, act="relu")
    stages = [(64, 4, 2), (160, 4, 2), (320, 8, 2), (640, 4, 2)]
    return SearchSpace("spos", _parts((stem,), stages, _spos_slot, 1024, classes), "SPOS, arXiv 1904.00420")
