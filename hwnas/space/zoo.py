"""Published networks as literals.

Each is a line of timm's block strings a stage (`strings`), but for those that such strings cannot tell.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from ..references import nearest_text
from .block import Op
from .chain import Chain, round_channels
from .net import MOST_CLASSES, MOST_PIXELS, Net
from .scaling import RELEASED, scale
from .strings import Definition, read

__all__ = ["ZOO", "Entry", "get", "mobilenet_v2", "names", "spos"]


def mobilenet_v2(
    width: float = 1.0,
    classes: int = 1000,
    resolution: int = 224,
    strides: tuple[int, ...] = (2, 1, 2, 2, 2, 1, 2, 1),
) -> Net:
    """MobileNetV2 (1801.04381, table 2). `strides` are the stem's and then each stage's.

    The last layer has 1280 channels however small `width` is, as published (§4.1) and in torchvision.
    """
    stages = [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)]
    chain = Chain(resolution)
    chain.add("conv", round_channels(32 * width), kernel=3, stride=strides[0], act="relu6")
    for (expansion, channels, layers), stage_stride in zip(stages, strides[1:], strict=True):
        for layer in range(layers):
            cout, stride = round_channels(channels * width), stage_stride if layer == 0 else 1
            residual = stride == 1 and chain.channels == cout
            fields = {"kernel": 3, "stride": stride, "expansion": expansion, "act": "relu6", "residual": residual}
            chain.add("mbconv", cout, **fields)
    chain.add("conv", round_channels(1280 * max(1.0, width)), act="relu6")
    chain.add("classifier", classes)
    return chain.net(f"mobilenet_v2 x{width:g}")


def spos(classes: int = 1000, resolution: int = 224) -> Net:
    """The network that single-path one-shot search found (1904.00420, §4), as in its authors' code.

    A digit of `units` is a layer: ShuffleNetV2's unit of kernel 3, 5 or 7, or Xception's. The digit of `widths` below
    it is its middle channels, in fifths of half its output. The published classifier has no bias; this one has.
    """
    units = "0031 1100 20211020 2132"
    widths = "7646 3745 36865785 5654"
    chain = Chain(resolution)
    chain.add("conv", 16, kernel=3, stride=2, act="relu")
    for cout, kinds, fifths in zip((64, 160, 320, 640), units.split(), widths.split(), strict=True):
        for layer, (kind, fifth) in enumerate(zip(kinds, fifths, strict=True)):
            op: Op = "xception" if kind == "3" else "shuffle"
            kernel = 3 if kind == "3" else 3 + 2 * int(kind)
            mid, stride = cout // 2 * int(fifth) // 5, 1 if layer else 2
            chain.add(op, cout, kernel=kernel, stride=stride, act="relu", mid=mid)
    chain.add("conv", 1024, act="relu")
    chain.add("classifier", classes)
    return chain.net("spos")


@dataclass(frozen=True)
class Entry:
    """A network of the zoo: where it was published, its images' size in pixels, and what makes it of the number of
    classes and another size."""

    source: str
    resolution: int
    make: Callable[[int, int], Net]


def _strings(source: str, *stages: str, **others: Any) -> Entry:
    definition = Definition(stages, **others)
    return Entry(source, 224, lambda classes, resolution: read(definition, classes, resolution))


def _efficientnet(index: int) -> Entry:
    """EfficientNet-B`index`: B0 scaled. As in torchvision, it has the authors' epsilon only from B5 on."""
    scaled = RELEASED[index]
    base = replace(_B0, eps=1e-3 if index >= 5 else 1e-5)

    def make(classes: int, resolution: int) -> Net:
        return scale(read(base, classes), scaled.width, scaled.depth, resolution)

    return Entry("EfficientNet, arXiv 1905.11946", scaled.resolution, make)


_B0 = Definition(
    (
        "ds_r1_k3_s1_c16_se0.25",
        "ir_r2_k3_s2_e6_c24_se0.25",
        "ir_r2_k5_s2_e6_c40_se0.25",
        "ir_r3_k3_s2_e6_c80_se0.25",
        "ir_r3_k5_s1_e6_c112_se0.25",
        "ir_r4_k5_s2_e6_c192_se0.25",
        "ir_r1_k3_s1_e6_c320_se0.25",
    ),
    act="swish",
)
_MNASNET = "MnasNet, arXiv 1807.11626"
_MOBILENET_V3 = "MobileNetV3, arXiv 1905.02244"
_PROXYLESS = "ProxylessNAS, arXiv 1812.00332"

ZOO: dict[str, Entry] = {
    "mobilenet_v2": Entry(
        "MobileNetV2, arXiv 1801.04381", 224, lambda classes, resolution: mobilenet_v2(1.0, classes, resolution)
    ),
    "mobilenet_v3_small": _strings(
        _MOBILENET_V3,
        "ds_r1_k3_s2_c16_se0.25_nre",
        "ir_r1_k3_s2_e4.5_c24_nre ir_r1_k3_s1_e3.67_c24_nre",
        "ir_r1_k5_s2_e4_c40_se0.25 ir_r2_k5_s1_e6_c40_se0.25",
        "ir_r2_k5_s1_e3_c48_se0.25",
        "ir_r3_k5_s2_e6_c96_se0.25",
        "cn_r1_k1_s1_c576",
        model="mobilenetv3",
        stem=16,
        head=1024,
        act="hswish",
        eps=1e-3,
    ),
    "mobilenet_v3_large": _strings(
        _MOBILENET_V3,
        "ds_r1_k3_s1_c16_nre",
        "ir_r1_k3_s2_e4_c24_nre ir_r1_k3_s1_e3_c24_nre",
        "ir_r3_k5_s2_e3_c40_se0.25_nre",
        "ir_r1_k3_s2_e6_c80 ir_r1_k3_s1_e2.5_c80 ir_r2_k3_s1_e2.3_c80",
        "ir_r2_k3_s1_e6_c112_se0.25",
        "ir_r3_k5_s2_e6_c160_se0.25",
        "cn_r1_k1_s1_c960",
        model="mobilenetv3",
        stem=16,
        act="hswish",
        eps=1e-3,
    ),
    "semnasnet_100": _strings(  # MnasNet-A1
        _MNASNET,
        "ds_r1_k3_s1_c16",
        "ir_r2_k3_s2_e6_c24",
        "ir_r3_k5_s2_e3_c40_se0.25",
        "ir_r4_k3_s2_e6_c80",
        "ir_r2_k3_s1_e6_c112_se0.25",
        "ir_r3_k5_s2_e6_c160_se0.25",
        "ir_r1_k3_s1_e6_c320",
    ),
    "mnasnet1_0": _strings(  # MnasNet-B1
        _MNASNET,
        "ds_r1_k3_s1_c16",
        "ir_r3_k3_s2_e3_c24",
        "ir_r3_k5_s2_e3_c40",
        "ir_r3_k5_s2_e6_c80",
        "ir_r2_k3_s1_e6_c96",
        "ir_r4_k5_s2_e6_c192",
        "ir_r1_k3_s1_e6_c320",
    ),
    "proxyless_cpu": _strings(
        _PROXYLESS,
        "ds_r1_k3_s1_c24",
        "ir_r1_k3_s2_e6_c32 ir_r3_k3_s1_e3_c32",
        "ir_r1_k3_s2_e6_c48 ir_r2_k3_s1_e3_c48 ir_r1_k5_s1_e3_c48",
        "ir_r1_k3_s2_e6_c88 ir_r1_k3_s1_e3_c88",
        "ir_r1_k5_s1_e6_c104 ir_r3_k3_s1_e3_c104",
        "ir_r1_k5_s2_e6_c216 ir_r2_k5_s1_e3_c216 ir_r1_k3_s1_e3_c216",
        "ir_r1_k5_s1_e6_c360",
        stem=40,
        head=1432,
        act="relu6",
        eps=1e-3,
    ),
    "proxyless_gpu": _strings(
        _PROXYLESS,
        "ds_r1_k3_s1_c24",
        "ir_r1_k5_s2_e3_c32",
        "ir_r1_k7_s2_e3_c56 ir_r1_k3_s1_e3_c56",
        "ir_r1_k7_s2_e6_c112 ir_r1_k5_s1_e3_c112",
        "ir_r1_k5_s1_e6_c128 ir_r1_k3_s1_e3_c128 ir_r1_k5_s1_e3_c128",
        "ir_r3_k7_s2_e6_c256 ir_r1_k5_s1_e6_c256",
        "ir_r1_k7_s1_e6_c432",
        stem=40,
        head=1728,
        act="relu6",
        eps=1e-3,
    ),
    "proxyless_mobile": _strings(
        _PROXYLESS,
        "ds_r1_k3_s1_c16",
        "ir_r1_k5_s2_e3_c32 ir_r1_k3_s1_e3_c32",
        "ir_r1_k7_s2_e3_c40 ir_r1_k3_s1_e3_c40 ir_r2_k5_s1_e3_c40",
        "ir_r1_k7_s2_e6_c80 ir_r3_k5_s1_e3_c80",
        "ir_r1_k5_s1_e6_c96 ir_r3_k5_s1_e3_c96",
        "ir_r2_k7_s2_e6_c192 ir_r2_k7_s1_e3_c192",
        "ir_r1_k7_s1_e6_c320",
        act="relu6",
        eps=1e-3,
    ),
    "fbnetc_100": _strings(
        "FBNet, arXiv 1812.03443",
        "ir_r1_k3_s1_e1_c16",
        "ir_r1_k3_s2_e6_c24 ir_r2_k3_s1_e1_c24",
        "ir_r1_k5_s2_e6_c32 ir_r1_k5_s1_e3_c32 ir_r1_k5_s1_e6_c32 ir_r1_k3_s1_e6_c32",
        "ir_r1_k5_s2_e6_c64 ir_r1_k5_s1_e3_c64 ir_r2_k5_s1_e6_c64",
        "ir_r3_k5_s1_e6_c112 ir_r1_k5_s1_e3_c112",
        "ir_r4_k5_s2_e6_c184",
        "ir_r1_k3_s1_e6_c352",
        stem=16,
        head=1984,
        bottleneck="fbconv",
    ),
    **{f"efficientnet_b{index}": _efficientnet(index) for index in range(len(RELEASED))},
    "efficientnet_lite0": _strings(
        "EfficientNet-Lite, the code of 1905.11946",
        "ds_r1_k3_s1_c16",
        "ir_r2_k3_s2_e6_c24",
        "ir_r2_k5_s2_e6_c40",
        "ir_r3_k3_s2_e6_c80",
        "ir_r3_k5_s1_e6_c112",
        "ir_r4_k5_s2_e6_c192",
        "ir_r1_k3_s1_e6_c320",
        act="relu6",
    ),
    "spos": Entry("SPOS, arXiv 1904.00420", 224, spos),
}
"""Every network by torchvision's name, else timm's, else its authors'."""


def names() -> tuple[str, ...]:
    """The names of all networks."""
    return tuple(ZOO)


def get(name: str, classes: int = 1000, resolution: int | None = None) -> Net:
    """The network `name` for so many classes, at its own resolution or another. Raises `InputError` for no such name,
    or a number that makes no network."""
    if name not in ZOO:
        message = f"no network {name!r} in the zoo{nearest_text(name, ZOO)}: there are {', '.join(ZOO)}"
        raise InputError(message, code="zoo.unknown", name=name)
    entry = ZOO[name]
    resolution = entry.resolution if resolution is None else resolution
    if min(classes, resolution) < 1 or classes > MOST_CLASSES or resolution > MOST_PIXELS:
        message = (
            f"no network has {classes} classes at {resolution} pixels: give whole numbers above 0, "
            f"and at most {MOST_CLASSES:,} classes and {MOST_PIXELS:,} pixels"
        )
        raise InputError(message, code="zoo.size", classes=classes, resolution=resolution)
    return replace(entry.make(classes, resolution), name=name)
