"""Trained weights in, a proven bundle out: ONNX export, the bundle's files, and their verification."""

from typing import TYPE_CHECKING

from ..lazy import submodules

if not TYPE_CHECKING:  # a type checker sees the modules themselves
    __getattr__, __dir__ = submodules(__name__, __path__)
