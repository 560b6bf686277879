"""A training of moments, which any number of ranks can share: random images of five classes."""

from typing import Any

import numpy as np
import torch

from hwnas.nn.build import build
from hwnas.nn.ranks import Ranks
from hwnas.space.net import Block, Net
from hwnas.training.data import Dataset
from hwnas.training.loop import Loop
from hwnas.training.recipe import Recipe
from hwnas.training.splits import Split

NET = Net(
    (
        Block("conv", 3, 8, 8, 8, 3, act="relu6"),
        Block("mbconv", 8, 8, 8, 8, 3, expansion=2, act="relu6", residual=True, se=4),
        Block("mbconv", 8, 8, 8, 8, 3, expansion=2, act="relu6", residual=True),
        Block("classifier", 8, 5, 8, 8),
    ),
    "small",
)
RECIPE = Recipe(
    epochs=2, batch_size=8, accumulation=2, clip=0.5, optimizer="sgd", lr=0.1, shift=0.125, mirror=True, dropout=0.3,
    drop_path=0.5,
)  # fmt: skip


def dataset() -> Dataset:
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = torch.from_numpy(rng.integers(0, 255, (count, 3, 8, 8), np.uint8))
        return Split(images, torch.from_numpy(rng.integers(0, 5, count)))

    return Dataset("random", tuple("abcde"), split(24), split(10), (0.5,) * 3, (0.3,) * 3, True, "as they are")


def awakened() -> Any:
    """The network with no weight at rest."""
    module, generator = build(NET, 0), torch.Generator().manual_seed(0)
    for value in module.parameters():
        value.data += 0.1 * torch.randn(value.shape, generator=generator)
    return module


def trained(ranks: Ranks, **changes: Any) -> dict[str, Any]:
    """What the optimiser gets in the first update, the loss of each update, and how the training ends."""
    loop = Loop(awakened(), dataset(), RECIPE.model_copy(update=changes), 0, dataset().test, ranks)
    names = {parameter: name for name, parameter in loop.trainee.module.named_parameters()}
    first, losses = {}, []

    def keep(optimizer, *_):
        if not first:
            first.update({names[p]: p.grad.clone() for group in optimizer.param_groups for p in group["params"]})

    loop.trainee.optimizer.register_step_pre_hook(keep)
    update = loop.trainee.update
    loop.trainee.update = lambda *given: losses.append(update(*given)) or losses[-1]
    loop.run(loop.batches)
    result = loop.result()
    return {
        "gradients": first,
        "losses": losses,
        "running": dict(loop.trainee.module.state_dict()),
        "weights": dict(result.module.state_dict()),
        "validation": result.validation_history,
    }
