"""Whether the constants of a sampler make sense."""

from ...errors import InputError


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
