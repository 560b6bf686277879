"""What a search of ProxylessNAS on ImageNet costs on 8, 64 and 512 GPUs: the table of docs/scale.md.

    python benchmarks/scale.py

Nothing is measured here. Parameters and MACs are computed from the space; how fast a GPU and its links are is assumed,
and stands below by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log2

import numpy as np

from hwnas.space import registry
from hwnas.space.net import Block
from hwnas.space.zoo import mobilenet_v2

MOBILENET_V2_IMAGES_PER_SECOND = 2313.1
"""Assumed of one GPU: training MobileNetV2 at 224 px with mixed precision in channels_last on an RTX 3090, as timm's
repository publishes it (results/benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv). Other networks: by MACs."""
INSIDE, ACROSS = (200e9, 5e-6), (25e9, 10e-6)
"""Assumed bytes per second and seconds per hop: NVLink between the 8 GPUs of a machine, 200 Gb/s InfiniBand across."""
EPOCH_IMAGES = 1_281_167 - 50_000
WARMUP_EPOCHS, EPOCHS, WEIGHT_STEPS_PER_ARCH_STEP = 40, 120, 5
"""As published (1812.00332, appendix)."""


def expected(cost: Callable[[Block], int]) -> float:
    """The mean of a sum over blocks, over all paths of the space: what a step of the warm-up has on average."""
    return sum(float(np.mean([cost(block) for block in p.candidates])) for p in registry.get("proxyless").positions)


PARAMS, MACS = expected(lambda block: block.params), expected(lambda block: block.macs)
IMAGES_PER_SECOND = MOBILENET_V2_IMAGES_PER_SECOND * mobilenet_v2().macs / MACS


@dataclass(frozen=True)
class Plan:
    """A search on `gpus` GPUs with `batch` images a step over all of them."""

    gpus: int
    batch: int

    @property
    def compute(self) -> float:
        """Seconds of a weight step without messages."""
        return self.batch / self.gpus / IMAGES_PER_SECOND

    def message(self, size: float) -> float:
        """Seconds of one all-reduce of `size` bytes: a ring's volume, and the hops of a tree there and back."""
        rate, hop = INSIDE if self.gpus <= 8 else ACROSS
        return 2 * (self.gpus - 1) / self.gpus * size / rate + 2 * log2(self.gpus) * hop

    @property
    def messages(self) -> float:
        """Seconds of the messages of a weight step: the path, the loss, the gradients, and whether Ctrl-C came."""
        return sum(map(self.message, (16, 4, 4 * PARAMS, 8)))

    @property
    def sent(self) -> float:
        """Bytes of gradients that each GPU sends in a weight step."""
        return 2 * (self.gpus - 1) / self.gpus * 4 * PARAMS

    @property
    def hours(self) -> float:
        """Hours of the search. An architecture step runs two paths forward, and backward one without the gradients of
        its weights: as much as a weight step."""
        steps = (WARMUP_EPOCHS + EPOCHS) * EPOCH_IMAGES / self.batch
        arch_steps = EPOCHS * EPOCH_IMAGES / self.batch / WEIGHT_STEPS_PER_ARCH_STEP
        gates = 4 * 2 * len(registry.get("proxyless").slots)
        arch_step = self.compute + self.message(16) + self.message(4) + self.message(gates)
        return (steps * (self.compute + self.messages) + arch_steps * arch_step) / 3600

    def row(self) -> str:
        """A line of the table."""
        share = self.messages / (self.compute + self.messages)
        cells = (
            self.gpus,
            f"{self.batch:,}",
            self.batch // self.gpus,
            f"{self.compute * 1e3:.1f}",
            f"{self.sent / 1e6:.1f}",
            f"{self.messages * 1e3:.2f}",
            f"{share:.1%}",
            f"{self.hours:.2f}",
            f"{self.hours * self.gpus:.0f}",
        )
        return f"| {' | '.join(map(str, cells))} |"


def table() -> str:
    """128 images a GPU, then 4,096 images in all."""
    head = "GPUs | images a step | a GPU | compute ms | MB sent by each | messages ms | of the step | hours | GPU-hours"
    plans = [Plan(n, 128 * n) for n in (8, 64, 512)] + [Plan(n, 4096) for n in (8, 64, 512)]
    return "\n".join([f"| {head} |", "|---" * 9 + "|", *(plan.row() for plan in plans)])


def facts() -> str:
    """The figures that the table is made of."""
    return (
        f"A path of `proxyless` has {PARAMS / 1e6:.2f} M parameters and {MACS / 1e6:.0f} M MACs on average; "
        f"a GPU is taken to train {IMAGES_PER_SECOND:,.0f} images of such a path a second."
    )


if __name__ == "__main__":
    print(facts(), table(), sep="\n\n")
