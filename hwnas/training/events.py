"""Figures of a training for TensorBoard."""

from pathlib import Path
from time import time

from ..install import require

EVENTS = "tensorboard"
"""The folder of the figures in that of the run."""


class TensorBoard:
    """Figures that are written into `folder` when a checkpoint is, so that a resumed run tells none of them twice.

    Raises `InputError` ("install.missing") where the package is not installed.
    """

    def __init__(self, folder: Path) -> None:
        require("tensorboard")
        self.folder = folder
        self._waiting: list[tuple[str, float, int, float]] = []

    def add(self, step: int, **figures: float) -> None:
        """Figures after `step` updates, each under its name; the __ in one is a / in the file."""
        self._waiting += [(name.replace("__", "/"), value, step, time()) for name, value in figures.items()]

    def write(self) -> None:
        """Append what was added to the folder, in a file of its own."""
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(self.folder) as writer:
            for name, value, step, at in self._waiting:
                writer.add_scalar(name, value, step, at)
        self._waiting.clear()
