"""Suites that hold a space, a strategy, an objective or a runtime to its contract: ours, and anyone else's.

Each is a class of pytest methods: subclass it and say which part is tested. pytest itself is not imported here.
"""

from .errors import refused
from .spaces import SpaceContract

__all__ = ["SpaceContract", "refused"]
