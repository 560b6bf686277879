"""Suites that hold a space, a strategy, an objective or a runtime to its contract: ours, and anyone else's."""

from .errors import refused

__all__ = ["refused"]
