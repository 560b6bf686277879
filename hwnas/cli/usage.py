"""What is wrong with a command line, with the word that is wrong."""

from collections.abc import Sequence

import typer


def usage_message(error: typer.BadParameter, words: Sequence[str]) -> str:
    """The message of `error` in one line, and the value of the option that it is about, which some typers leave out."""
    text = " ".join(error.format_message().split())
    value = _value(getattr(getattr(error, "param", None), "opts", ()), words)
    return text if value is None or value in text else f"{text}, not {value!r}"


def _value(options: Sequence[str], words: Sequence[str]) -> str | None:
    """What the command line gives as the last of these spellings of an option."""
    found = None
    for word, following in zip(words, [*words[1:], None], strict=True):
        name, equals, value = word.partition("=")
        if name in options:
            found = value if equals else following
    return found
