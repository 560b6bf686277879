"""Ctrl-C at a moment of our choosing: between two steps, where a checkpoint is whole."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold back Ctrl-C while the body runs, and yield a function that tells whether it came.

    The body stops where it can; on leaving it, `KeyboardInterrupt` is raised if Ctrl-C came. A second Ctrl-C is not
    held back. Outside the main thread, where signals cannot be handled, nothing is held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came = False

    def note(signum: int, frame: object) -> None:
        nonlocal came
        if came:
            raise KeyboardInterrupt
        came = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
