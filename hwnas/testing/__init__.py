"""Suites that hold a space, a strategy, an objective or a runtime to its contract: ours, and anyone else's.

Each is a class of pytest methods: subclass it and say which part is tested. They are imported when first named, as some
need torch; pytest itself is imported by none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import refused

if TYPE_CHECKING:
    from .learners import LearnerContract
    from .objectives import LossContract, RewardContract
    from .runtimes import RuntimeContract
    from .samplers import SamplerContract
    from .spaces import SpaceContract

__all__ = [
    "LearnerContract",
    "LossContract",
    "RewardContract",
    "RuntimeContract",
    "SamplerContract",
    "SpaceContract",
    "refused",
]

_PLACES = {
    "LearnerContract": "learners",
    "LossContract": "objectives",
    "RewardContract": "objectives",
    "RuntimeContract": "runtimes",
    "SamplerContract": "samplers",
    "SpaceContract": "spaces",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
