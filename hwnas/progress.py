"""Progress of everything that takes long: a bar for a person, an event for a program, or nothing.

Every stage takes `progress`, see `Progress`, and hands it to `show_progress` round each of its loops.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol


@dataclass(frozen=True)
class ProgressEvent:
    """How far a loop of a stage is: `done` of `total` units, with a short `text` on its state, which may be empty."""

    stage: str
    """What runs: "profile", "search", "evaluate", "finalists", "train", "measure", "compare", "images" or "demo"."""
    done: int
    total: int
    text: str = ""


Progress = Callable[[ProgressEvent], None] | bool | None
"""What a stage does with its progress. True: a bar on standard error where that is a terminal, or in the notebook, and
nothing elsewhere. A callable: it is called with each event, in the process and thread of the stage, and what it raises
ends the stage, which goes on from there when called again. False or None: nothing."""


class Report(Protocol):
    """Tell how many units are done so far, with a short text."""

    def __call__(self, done: int, text: str = "") -> None: ...  # noqa: D102  the class says it


def silent(done: int, text: str = "") -> None:
    """A `Report` that shows nothing."""


@contextmanager
def show_progress(stage: str, total: int, to: Progress = True) -> Iterator[Report]:
    """Yield a `Report` for the body, a loop of `total` units, that shows its progress as `to` says."""
    if callable(to):
        listener = to
        yield lambda done, text="": listener(ProgressEvent(stage, done, total, text))
    elif to:
        with _bar(stage, total) as report:
            yield report
    else:
        yield silent


@contextmanager
def _bar(title: str, total: int) -> Iterator[Report]:
    """A bar of rich on standard error or in a notebook; nothing where neither is."""
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    in_notebook = console.is_jupyter and find_spec("ipywidgets") is not None  # rich warns at every step without it
    if not (in_notebook or (console.is_terminal and not console.is_jupyter)):
        yield silent
        return
    columns = (
        bars.TextColumn("{task.description:<10}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[text]}"),
    )
    with bars.Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total, text="")
        yield lambda done, text="": bar.update(task, completed=done, text=text)
