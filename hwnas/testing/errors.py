"""Check that something is refused, by the code and the fields of the error and not by its words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import HwnasError


class Refusal:
    """What the body of `refused` raised: `error`, once the body has ended."""

    error: HwnasError | None = None

    @property
    def message(self) -> str:
        """The one line that a user sees."""
        return str(self.error)


@contextmanager
def refused(code: str, kind: type[HwnasError] = HwnasError, **fields: Any) -> Iterator[Refusal]:
    """Expect the body to raise a `kind` with this `code` and these `fields`, in one line.

    Raises `AssertionError` where it raises nothing, or an error of another code or with other fields.
    """
    refusal = Refusal()
    try:
        yield refusal
    except kind as error:
        refusal.error = error
    found = refusal.error
    if found is None:
        raise AssertionError(f"nothing was refused: {code} was expected")
    named = {name: found.fields.get(name) for name in fields}
    if (found.code, named) != (code, fields) or "\n" in str(found):
        raise AssertionError(f"refused by {found.code} {named}, not {code} {fields}: {found}") from found
