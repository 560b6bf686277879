"""Random search (Bergstra & Bengio 2012; for architectures Li & Talwalkar 2019, arXiv 1902.07638)."""

from ...space.space import Arch, SearchSpace
from ..limit import Limit
from .scored import ScoredSampler


class RandomSearch(ScoredSampler):
    """Architectures within the limit drawn uniformly, each once while there are new ones."""

    def __init__(self, space: SearchSpace, limit: Limit, *, seed: int, budget: int) -> None:
        super().__init__(space, limit, seed=seed)

    def ask(self) -> Arch:
        """An architecture drawn uniformly."""
        return self.fresh()
