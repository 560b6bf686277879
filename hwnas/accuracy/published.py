"""Published accuracies of every network of a space, so that strategies are compared without training anything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter

from ..errors import InputError
from ..files import parse, read_json, sha256
from ..space import registry
from ..space.space import Arch, SearchSpace

COVERED = ("nas-bench-macro",)
"""Spaces, by name, of whose networks there are published accuracies."""

Percent = Annotated[float, Field(ge=0, le=100)]


@dataclass(frozen=True)
class _Row:
    """What is used of a row of the file; it has more."""

    __pydantic_config__ = ConfigDict(extra="ignore")

    test_acc: Annotated[tuple[Percent, ...], Field(min_length=1)]


_TABLE = TypeAdapter(dict[str, _Row])


@dataclass(frozen=True)
class PublishedAccuracies:
    """Top-1 (0 to 1) on the test images of each network of `space`, trained alone several times.

    `rows` has the trainings of each architecture, equally many; `digest` is of the file they were read from.
    """

    space: SearchSpace
    rows: dict[Arch, tuple[float, ...]]
    digest: str

    @staticmethod
    def load(path: str | Path, space: SearchSpace | None = None) -> "PublishedAccuracies":
        """Read the file of NAS-Bench-Macro (2103.11922), accuracies in % under "test_acc" of each name of eight digits.

        `space` is that of its networks, or one of as many slots and candidates, such as a thinner one. Raises
        `InputError` for a file of another form, or one that does not have every network of the space once.
        """
        path, space = Path(path), space or registry.get(COVERED[0])
        table = parse(_TABLE, read_json(path, "table of accuracies"), path)
        rows = {}
        for name, row in table.items():
            if not name.isascii() or not name.isdigit():
                raise InputError(f"{path}: {name!r} is not an architecture of {space.name}: one digit a slot is needed",
                                 code="accuracies.name", path=str(path), name=name)  # fmt: skip
            rows[space.check(tuple(map(int, name)))] = tuple(percent / 100 for percent in row.test_acc)
        if len(rows) != (whole := int(np.prod(space.choices))):
            raise InputError(f"{path} has {len(rows)} of the {whole} networks of {space.name}: get the whole file",
                             code="accuracies.incomplete", path=str(path), networks=len(rows), of=whole)  # fmt: skip
        if len(counts := {len(trials) for trials in rows.values()}) > 1:
            raise InputError(f"{path} has from {min(counts)} to {max(counts)} trainings of a network: all need as many",
                             code="accuracies.uneven", path=str(path))  # fmt: skip
        return PublishedAccuracies(space, rows, sha256(path.read_bytes())[:16])

    @cached_property
    def trainings(self) -> int:
        """How often each network was trained."""
        return len(next(iter(self.rows.values())))

    def trials(self, arch: Arch) -> tuple[float, ...]:
        """The accuracy of each training of `arch`. Raises `InputError` for no architecture of the space."""
        return self.rows[self.space.check(tuple(arch))]

    def accuracy(self, arch: Arch) -> float:
        """The mean accuracy of the trainings of `arch`: what is to be found."""
        return float(np.mean(self.trials(arch)))

    def best(self, allows: Callable[[Sequence[Arch]], np.ndarray] | None = None) -> Arch:
        """The most accurate architecture that `allows`, such as `Limit.allows`, says True of. Raises `InputError` where
        there is none."""
        archs = list(self.rows)
        allowed = np.ones(len(archs), bool) if allows is None else np.asarray(allows(archs), bool)
        if not allowed.any():
            raise InputError(f"no network of {self.space.name} is allowed: allow more", code="accuracies.none-allowed")
        means = np.mean([self.rows[arch] for arch in archs], axis=1)
        return archs[int(np.where(allowed, means, -np.inf).argmax())]
