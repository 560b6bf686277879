"""Blocks, nets and search spaces as torch modules.

`hwnas.nn.build(net)` is the function; its file is found by the import system all the same.
"""

from .build import build

__all__ = ["build"]
