"""How to choose: search strategies over the supernet and a cost, one small file each, by name.

(The room is not called `search`, because `hwnas.search` is the stage, a function.)
"""

from importlib import import_module

from ..errors import InputError
from .base import Relaxation

STRATEGIES = {"proxyless": "proxyless:ProxylessGradient"}
"""Every strategy by name, as module:class of this package."""


def get(name: str) -> type[Relaxation]:
    """The class of the strategy `name`. Raises `InputError` for no such strategy."""
    if name not in STRATEGIES:
        raise InputError(f"no strategy {name!r}: there are {', '.join(STRATEGIES)}")
    module, kind = STRATEGIES[name].split(":")
    return getattr(import_module(f".{module}", __package__), kind)
