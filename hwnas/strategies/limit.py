"""Which architectures may be chosen: those whose latency is within a band."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from ..errors import InputError
from ..space.space import Arch, SearchSpace

Cost = Callable[[Sequence[Arch]], np.ndarray]
"""Architectures to what each costs, shape (N,): `LatencyPredictor.cost`, or MACs."""

TRIES = 64
"""Proposals that are rejected before one of them is repaired instead."""
RESTARTS = 20


@dataclass(frozen=True)
class Limit:
    """Architectures of `space` that cost `low` to `high`, both included, in the unit of `cost` (ms of a predictor)."""

    space: SearchSpace
    cost: Cost
    high: float = inf
    low: float = -inf

    @staticmethod
    def none(space: SearchSpace) -> "Limit":
        """Every architecture is allowed; all cost 0."""
        return Limit(space, lambda archs: np.zeros(len(archs)))

    def within(self, high: float, low: float = -inf) -> "Limit":
        """The same costs with another band."""
        return replace(self, high=high, low=low)

    @property
    def free(self) -> bool:
        """Whether every architecture is allowed."""
        return self.low == -inf and self.high == inf

    def allows(self, archs: Sequence[Arch]) -> np.ndarray:
        """Which of `archs` are within the band: bool, shape (N,)."""
        if self.free or not len(archs):
            return np.ones(len(archs), bool)
        return np.asarray(self._short(archs) == 0)

    def filter(self, archs: Sequence[Arch]) -> list[Arch]:
        """Those of `archs` that are within the band, in order."""
        return [arch for arch, allowed in zip(archs, self.allows(archs), strict=True) if allowed]

    def neighbours(self, arch: Arch) -> list[Arch]:
        """Every architecture within the band that differs from `arch` in one slot."""
        return self.filter(list(self.space.neighbours(arch)))

    def sample(self, rng: np.random.Generator, propose: Callable[[], Arch] | None = None) -> Arch:
        """The first of up to `TRIES` proposals that is within the band, or else the last, `repair`ed.

        `propose` samples uniformly by default. Raises `InputError` where nothing is found within the band.
        """
        propose = propose or (lambda: self.space.sample(rng))
        for _ in range(TRIES):
            arch = propose()
            if self.free or self.allows([arch])[0]:
                return arch
        return self.repair(arch, rng)

    def repair(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """An architecture within the band that is like `arch`: one slot after another, in random order, goes to the
        option that comes nearest to the band. Raises `InputError` where that, from other starts too, finds none."""
        nearest, least = arch, inf
        others = rng.integers(0, self.space.choices, (RESTARTS, len(arch)))
        for start in (arch, *map(tuple, others.tolist())):
            for moved, short in self._descent(start, rng):
                if not short:
                    return moved
                if short < least:
                    nearest, least = moved, short
        (near,) = self.cost([nearest])
        raise InputError(
            f"found no architecture of {self.space.name} that costs {self.low:g} to {self.high:g} "
            f"(the nearest: {near:.4g}): allow more",
            code="limit.no-architecture",
            space=self.space.name,
            low=self.low,
            high=self.high,
            nearest=float(near),
        )

    def _descent(self, arch: Arch, rng: np.random.Generator) -> Iterator[tuple[Arch, float]]:
        """`arch` and what it becomes, until no slot can be changed for the better; each with how far it is outside."""
        short = float(self._short([arch])[0])
        yield arch, short
        moving = True
        while moving:
            moving = False
            for slot in rng.permutation(len(arch)):
                options = [(*arch[:slot], i, *arch[slot + 1 :]) for i in range(self.space.choices[slot])]
                away = self._short(options)
                if away.min() < short:
                    moving, short = True, float(away.min())
                    arch = options[int(rng.choice(np.flatnonzero(away == short)))]
                    yield arch, short

    def _short(self, archs: Sequence[Arch]) -> np.ndarray:
        """How far each of `archs` is outside the band: 0 within it."""
        cost = np.asarray(self.cost(archs), float)
        slack = 1e-9 * np.abs(cost)  # the same costs may have been added up in another order
        return np.asarray(np.maximum(np.maximum(cost - self.high, self.low - cost) - slack, 0))
