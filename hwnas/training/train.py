"""Training one network, resumable after any update."""

from dataclasses import replace
from pathlib import Path

from ..nn.build import build
from ..nn.ranks import Ranks
from ..progress import Report, silent
from ..space.net import Net
from .beginnings import NOTHING, Origins
from .checkpoints import Saving, identity
from .data import Dataset
from .loading import make_loader
from .loop import Events, Loop, Trained, require_even
from .memory import keep_freed_memory
from .recipe import Recipe
from .splits import Images
from .teacher import distilled

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
    origins: Origins = NOTHING,
    synchronised: bool = True,
) -> Trained:
    """Train `net` on the training split of `dataset`; the result depends on the first four and on `validation`, of
    which the best epoch is chosen, on `origins`, the first weights and the teacher, and on torch's thread count.

    With `checkpoint`, the state is written there every `every_seconds` and after every epoch, and a file already there
    is resumed from, to the bit: it must be of the same run. `report` gets the updates done, with the loss and images a
    second. Fewer images than a batch are one batch. Several `ranks` take every update together, each on its rows of the
    batch; with `synchronised` norms the result is that of one, up to the rounding of sums. The main
    rank alone writes. Raises `InputError` for another run's checkpoint ("training.other-run") and for too few images
    ("training.batch-size"), and `DivergedError` ("training.diverged", fields `epoch`, `step` and `lr`) for a loss or
    weights that are no longer numbers: the last checkpoint stays.
    """
    recipe, ranks = recipe or Recipe(), ranks or Ranks()
    recipe = recipe.for_images(len(dataset.train))
    require_even(recipe, ranks.size)
    run = identity(net, dataset, recipe, seed, validation, origins.digests)
    ranks.agree("the training asked for", run)
    with ranks.share_errors():
        module = build(net, seed)
        begun = origins.begin(module, dataset, recipe)
        objective = distilled(recipe, origins.teacher.to(ranks.device)) if origins.teacher else None
        loop = Loop(module, dataset, recipe, seed, validation, ranks, objective, synchronised)
        saving = Saving(checkpoint, every_seconds, run)
        state = saving.load() if ranks.main else None
    if (state := ranks.same(state)) is not None:
        loop.restore(state)
    with keep_freed_memory(), make_loader(loop.batches, dataset.train, ranks.device) as batches:
        loop.run(batches, saving, events, report)
    return replace(loop.result(), begun=begun)
