"""One primitive operation of a network, as plain frozen data: what it computes with, and what it costs."""

from dataclasses import dataclass
from math import prod
from typing import Literal

Act = Literal["", "relu", "relu6", "hswish", "swish"]
Kind = Literal["conv", "se", "shuffle", "avgpool", "maxpool", "zero", "pool", "linear"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One primitive operation; shapes are NCHW without the batch.

    `conv` is a convolution without bias, BatchNorm and `act`; `se` is squeeze-and-excite (1709.01507) with `mid`
    squeezed channels, both of its layers with bias, whose gate is a hard sigmoid where it is `hard` (1905.02244,
    §5.2); `shuffle` deals the channels of `groups` out in turn (1707.01083, §3.1); `avgpool` and `maxpool` are over
    `kernel`² pixels and leave padding out; `zero` makes zeros; `pool` is the global average and flattens; `linear` has
    a bias, and `act` after it.
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
        return 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.weights * prod(self.out) if self.kind == "conv" else self.weights

    @property
    def params(self) -> int:
        """Trainable parameters: the weights, BatchNorm's scale and shift, and biases."""
        extra = {"conv": 2 * self.cout, "se": self.mid + self.cin, "linear": self.cout}
        return self.weights + extra.get(self.kind, 0)
