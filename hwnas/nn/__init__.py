"""Blocks, nets and search spaces as torch modules.

`hwnas.nn.build(net)` is the function; `from hwnas.nn.build import Network` finds its file all the same.
"""

from .build import build

__all__ = ["build"]
