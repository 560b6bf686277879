"""What is decided in a search space, and where: each part is a fixed block, or blocks of which decisions choose one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from ..errors import InputError
from .net import Block


@dataclass(frozen=True)
class Slot:
    """A place in the network where one of several blocks goes, chosen for itself.

    Raises `InputError` where not all have the same shape."""

    candidates: tuple[Block, ...]

    def __post_init__(self) -> None:
        if len({(c.cin, c.height, c.width, c.cout, *c.out) for c in self.candidates}) != 1:
            raise InputError("the candidates of a slot must agree in shape", code="space.slot-shapes")


@dataclass(frozen=True)
class Choice:
    """A decision that several places of the network share, such as the depth of a stage. The name tells it apart."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Elastic:
    """A place in the network whose block depends on several choices.

    `candidates` has a block for each combination of options, the last choice changing fastest; a `skip` says that the
    combination has no layer here. Shapes may differ: `SearchSpace.derive` raises where neighbours do not fit. Raises
    `InputError` for any other number of candidates.
    """

    choices: tuple[Choice, ...]
    candidates: tuple[Block, ...]

    def __post_init__(self) -> None:
        if len(self.candidates) != prod(len(choice.options) for choice in self.choices):
            message = "an elastic part needs one candidate for each combination of options"
            raise InputError(message, code="space.combinations", candidates=len(self.candidates))

    @staticmethod
    def of(choices: Sequence[Choice], block: Callable[..., Block]) -> "Elastic":
        """`block` is called with the index of the option of each of `choices`, for every combination."""
        indices = product(*(range(len(choice.options)) for choice in choices))
        return Elastic(tuple(choices), tuple(block(*combination) for combination in indices))


Part = Block | Slot | Elastic


@dataclass(frozen=True)
class Position:
    """The one view of every kind of part: the block that stands here, for each combination at `slots`.

    `slots` are indices into an architecture; `candidates` are in row-major order over them. A fixed block has no slots.
    """

    slots: tuple[int, ...]
    candidates: tuple[Block, ...]
