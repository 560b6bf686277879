"""What dropout and stochastic depth leave out of each image of a batch, whichever process has it."""

import numpy as np
import torch


class Masks:
    """Random masks of a batch of which this process has `rows`, a tensor of indices, of `batch`.

    Those of a layer, by its `place`, are drawn for the whole batch from `key` and the place alone, on the CPU: any
    number of ranks, of any device, and any parts that a batch is cut into then train the same network.
    """

    def __init__(self) -> None:
        self.key: tuple[int, ...] = ()
        self.batch, self.rows = 0, torch.empty(0, dtype=torch.int64)

    def draw(self, place: int, share: float, like: torch.Tensor) -> torch.Tensor:
        """(rows, width): 0 for a `share`, and for the others as much more as that their mean is 1.

        `like` (rows, width) gives shape, type and device.
        """
        seed = int(np.random.SeedSequence((*self.key, place)).generate_state(1)[0])
        numbers = torch.rand(self.batch, like.shape[1], generator=torch.Generator().manual_seed(seed))
        return (numbers[self.rows] >= share).to(like) / (1 - share)
