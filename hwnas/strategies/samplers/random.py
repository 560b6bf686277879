"""Random search (Bergstra & Bengio 2012; for architectures Li & Talwalkar 2019, arXiv 1902.07638)."""

from ...space.space import Arch
from .scored import ScoredSampler


class RandomSearch(ScoredSampler):
    """Architectures within the limit sampled uniformly, each once while there are new ones."""

    def propose(self) -> Arch:
        """An architecture sampled uniformly."""
        return self.sample_unseen()
