"""Training one network, resumable after any update."""

from pathlib import Path

from ..nn.build import build
from ..nn.ranks import Ranks
from ..progress import Report, silent
from ..space.net import Net
from .checkpoints import Saving, identity
from .data import Dataset
from .loading import loader
from .loop import Events, Loop, Trained
from .memory import keep_freed_memory
from .recipe import Recipe
from .splits import Images

__all__ = ["EVERY_SECONDS", "Trained", "train"]

EVERY_SECONDS = 300.0
"""Between two checkpoints within an epoch."""


def train(
    net: Net,
    dataset: Dataset,
    recipe: Recipe | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    report: Report = silent,
    *,
    validation: Images | None = None,
    every_seconds: float = EVERY_SECONDS,
    events: Events | None = None,
    ranks: Ranks | None = None,
) -> Trained:
    """Train `net` on the training split of `dataset`; the result depends on the first four and on `validation`, of
    which the best epoch is chosen, and on torch's thread count.

    With `checkpoint`, the state is written there every `every_seconds` and after every epoch, and a file already there
    is resumed from, to the bit: it must be of the same run. `report` gets the updates done, with the loss and images a
    second. Fewer images than a batch are one batch. Raises `InputError` for another run's checkpoint
    ("training.other-run") and for too few images ("training.batch-size"), and `DivergedError` ("training.diverged",
    fields `epoch`, `step` and `lr`) for a loss or weights that are no longer numbers: the last checkpoint stays.
    """
    recipe, ranks = recipe or Recipe(), ranks or Ranks()
    recipe = recipe.for_images(len(dataset.train))
    loop = Loop(build(net, seed), dataset, recipe, seed, validation, ranks)
    saving = Saving(checkpoint, every_seconds, identity(net, dataset, recipe, seed, validation))
    if (state := saving.load()) is not None:
        loop.restore(state)
    with keep_freed_memory(), loader(loop.batches, ranks.device) as batches:
        loop.run(batches, saving, events, report)
    return loop.result()
