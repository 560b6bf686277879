"""One primitive operation of a network, as plain frozen data: what it computes with, and what it costs."""

from dataclasses import dataclass
from math import prod
from typing import Literal, TypeGuard, assert_never, get_args

Act = Literal["", "relu", "relu6", "hswish", "swish"]
Weighted = Literal["conv", "se", "linear"]
"""Kinds with trainable weights."""
Joint = Literal["split", "add", "concat"]
"""Kinds that part and join paths: they compute next to nothing, but move memory."""
Kind = Literal[Weighted, Joint, "shuffle", "avgpool", "maxpool", "zero", "pool"]


def is_weighted(kind: Kind) -> TypeGuard[Weighted]:
    """Whether layers of `kind` have trainable weights."""
    return kind in get_args(Weighted)


@dataclass(frozen=True, slots=True)
class Layer:
    """One primitive operation; shapes are NCHW without the batch. `cin` are the channels of each input, and
    of all inputs of a `concat` together.

    - `conv`: a convolution without bias, BatchNorm and `act`.
    - `se`: squeeze-and-excite (1709.01507) with `mid` squeezed channels, both of its layers with bias, whose gate is a
      hard sigmoid where it is `hard` (1905.02244, §5.2).
    - `shuffle`: deals the channels of `groups` out in turn (1707.01083, §3.1).
    - `avgpool`, `maxpool`: over `kernel`² pixels, those outside of the image left out.
    - `zero`: zeros of the output's shape.
    - `pool`: the global average, flattened.
    - `linear`: a linear map with bias, and `act` after it.
    - `split`: every second channel, from the one at `offset`.
    - `add`: the sum of all inputs. `concat`: the channels of all inputs, one input after the other.

    `sources` are indices into the walk that the layer is in, for each of its inputs: empty is the layer before, -1 the
    input of the block (-2 its second, where a block has several). The name is unique in a walk; its weights go by it.
    """

    kind: Kind
    name: str
    cin: int
    cout: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    mid: int = 0
    act: Act = ""
    out: tuple[int, int] = (1, 1)
    hard: bool = False
    offset: int = 0
    sources: tuple[int, ...] = ()

    @property
    def depthwise(self) -> bool:
        """Whether each channel is convolved for itself."""
        return self.groups == self.cin > 1

    @property
    def weights(self) -> int:
        """Number of multiplied weights: no biases, no norms."""
        match self.kind:
            case "conv":
                return self.cout * (self.cin // self.groups) * self.kernel**2
            case "se":
                return 2 * self.cin * self.mid
            case "linear":
                return self.cin * self.cout
            case "shuffle" | "avgpool" | "maxpool" | "zero" | "pool" | "split" | "add" | "concat":
                return 0
            case _:
                assert_never(self.kind)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.weights * prod(self.out) if self.kind == "conv" else self.weights

    @property
    def params(self) -> int:
        """Trainable parameters: the weights, BatchNorm's scale and shift, and biases."""
        match self.kind:
            case "conv":
                return self.weights + 2 * self.cout
            case "se":
                return self.weights + self.mid + self.cin
            case "linear":
                return self.weights + self.cout
            case "shuffle" | "avgpool" | "maxpool" | "zero" | "pool" | "split" | "add" | "concat":
                return 0
            case _:
                assert_never(self.kind)

    @property
    def traffic(self) -> int:
        """Elements read and written for one image, without the weights."""
        pixels = prod(self.out)
        match self.kind:
            case "conv" | "se" | "shuffle" | "avgpool" | "maxpool" | "pool" | "linear":
                return pixels * (self.cin * self.stride**2 + self.cout)
            case "zero":
                return pixels * self.cout
            case "split":
                return pixels * 2 * self.cout
            case "add":
                return pixels * (len(self.sources) * self.cin + self.cout)
            case "concat":
                return pixels * 2 * self.cout
            case _:
                assert_never(self.kind)
