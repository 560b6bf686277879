"""Whether the constants of a policy make sense: those that are neither counts nor shares."""

from ...errors import InputError


def positive(**constants: float) -> None:
    """Raises `InputError` for one of `constants` that is not above 0."""
    for name, value in constants.items():
        if not value > 0:
            raise InputError(f"{name} is {value}: give a number above 0")


def not_negative(**constants: float) -> None:
    """Raises `InputError` for one of `constants` that is under 0."""
    for name, value in constants.items():
        if not value >= 0:
            raise InputError(f"{name} is {value}: give a number of at least 0")
