"""Whether the constants of a strategy make sense."""

from ..errors import InputError


def counts(least: int = 0, **constants: int) -> None:
    """Raises `InputError` for one of `constants` that is no whole number of at least `least`."""
    for name, value in constants.items():
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name} is {value}: give a whole number of at least {least}")


def shares(**constants: float) -> None:
    """Raises `InputError` for one of `constants` that is not within 0 to 1."""
    for name, value in constants.items():
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value}: give a number from 0 to 1")


def positive(**constants: float) -> None:
    """Raises `InputError` for one of `constants` that is not above 0."""
    for name, value in constants.items():
        if not value > 0:
            raise InputError(f"{name} is {value}: give a number above 0")


def not_negative(**constants: float) -> None:
    """Raises `InputError` for one of `constants` that is under 0, or no number."""
    for name, value in constants.items():
        if not value >= 0:
            raise InputError(f"{name} is {value}: give a number of at least 0")
