"""What a network costs on a device: measured blocks, the table that holds them, and the sums that predict from it."""

from typing import TYPE_CHECKING

from ..lazy import submodules

if not TYPE_CHECKING:  # a type checker sees the modules themselves
    __getattr__, __dir__ = submodules(__name__, __path__)
