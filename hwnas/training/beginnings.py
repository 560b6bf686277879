"""What a training begins with and learns of beside its images: the weights of `--init`, and the teacher."""

from dataclasses import dataclass

from ..nn.build import Network
from .batches import Batches
from .data import Dataset
from .evaluate import CALIBRATION, recalibrate
from .initial import Initial
from .origins import Begun
from .recipe import Recipe
from .teacher import Teacher
from .transfer import require_trained_norms


@dataclass(frozen=True)
class Origins:
    """The `initial` weights, None where they are drawn, and the `teacher`, if any."""

    initial: Initial | None = None
    teacher: Teacher | None = None

    @property
    def digests(self) -> dict[str, str]:
        """What tells them from others, of those that there are."""
        return {
            **({"init": self.initial.sha256} if self.initial else {}),
            **({"teacher": self.teacher.taught.sha256} if self.teacher else {}),
        }

    def begin(self, module: Network, dataset: Dataset, recipe: Recipe) -> Begun | None:
        """Give `module` its first weights; what they are, None for those that it has. Where norms have no statistics
        they take them of the training images of `dataset`. Raises `InputError` for other weights, and for settings of
        `recipe` that need some."""
        require_trained_norms(recipe.norms, self.initial is not None)
        if self.initial is None:
            return None
        begun = self.initial.fill(module)
        if not self.initial.calibrated:
            plain = Batches(dataset.train, dataset, min(recipe.batch_size, len(dataset.train)), 0, augment=False)
            recalibrate(module, plain, min(CALIBRATION, len(dataset.train)))
        return begun


NOTHING = Origins()
"""Drawn weights, and no teacher."""
