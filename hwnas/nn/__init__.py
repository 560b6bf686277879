"""Blocks, nets and search spaces as torch modules.

`hwnas.nn.build(net)` is the function; `from hwnas.nn.build import Network` finds its file all the same.
"""

from typing import TYPE_CHECKING

from ..lazy import submodules
from .build import build

__all__ = ["build"]

if not TYPE_CHECKING:  # a type checker sees the modules themselves
    __getattr__, __dir__ = submodules(__name__, __path__)
