"""One progress bar for everything that takes long: on a terminal it moves, anywhere else it is silent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Report = Callable[[int, str], None]
"""Called with the number of units done so far and a short text (may be empty)."""


def silent(done: int, text: str = "") -> None:
    """A `Report` that shows nothing."""


@contextmanager
def progress(title: str, total: int, show: bool = True) -> Iterator[Report]:
    """Show a bar of `total` units on standard error while the body runs, if that is a terminal and `show`."""
    console = Console(stderr=True)
    if not (show and console.is_terminal):
        yield silent
        return
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[text]}"), console=console) as bar:
        task = bar.add_task(title, total=total, text="")
        yield lambda done, text="": bar.update(task, completed=done, text=text)
