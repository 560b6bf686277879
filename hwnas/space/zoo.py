"""Published networks as literals."""

from .net import Block, Net


def round_channels(channels: float, divisor: int = 8) -> int:
    """Nearest multiple of `divisor`, never under 90 % of `channels` (the rule of MobileNetV2's released code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


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
    size, cin = resolution, round_channels(32 * width)
    blocks = [Block("conv", 3, cin, size, size, 3, strides[0], act="relu6")]
    for (expansion, channels, layers), stage_stride in zip(stages, strides[1:], strict=True):
        for layer in range(layers):
            cout, size = round_channels(channels * width), blocks[-1].out[0]
            stride = stage_stride if layer == 0 else 1
            residual = stride == 1 and cin == cout
            blocks.append(Block("mbconv", cin, cout, size, size, 3, stride, expansion, act="relu6", residual=residual))
            cin = cout
    size, head = blocks[-1].out[0], round_channels(1280 * max(1.0, width))
    blocks += [Block("conv", cin, head, size, size, act="relu6"), Block("classifier", head, classes, size, size)]
    return Net(tuple(blocks), name=f"mobilenet_v2 x{width:g}")
