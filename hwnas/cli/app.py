"""The program, its groups of commands, and the options that several commands take."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import typer

from ..errors import InputError
from ..references import allow

if TYPE_CHECKING:
    from ..config import Config

C = TypeVar("C", bound="Config")

HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    help="Profile a device, search under its real latency, export a verified ONNX model. Start with: hwnas demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)

UsageError = cast(type[typer.BadParameter], typer.BadParameter.__base__)
"""Of the click that this typer runs on: older ones import it, newer ones bring their own."""


@app.callback()
def _start(
    context: typer.Context,
    allowed: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="REFERENCE",
            help="Run this code, package.module:attribute or file.py:attribute, where a file names it; "
            "may be repeated. What the command itself names is allowed.",
        ),
    ] = None,
) -> None:
    """Refuse what several processes would do over each other, where torchrun started them; allow references."""
    if "" in sys.argv[1:]:  # as a path it would be the current folder
        raise typer.BadParameter("one of the words is empty: is a variable of the shell not set?")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and context.invoked_subcommand not in ("search", "train"):
        raise InputError(
            f"only search and train run as several processes: start {context.invoked_subcommand} without torchrun",
            code="ranks.one-process",
            command=context.invoked_subcommand,
        )
    context.with_resource(allow(*(allowed or ()), *_references(sys.argv[1:])))


def _references(words: list[str]) -> Iterator[str]:
    """What may be references among the words of a command line: a word, or what is after an = in it."""
    for word in words:
        yield word
        while "=" in word:
            word = word.partition("=")[2]
            yield word


LARGEST_SEED = 2**63 - 1
"""As torch takes it."""

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the signal's number, as in a shell."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Data = Annotated[
    str,
    typer.Option(
        help="fashion-mnist-small, cifar10, fashion-mnist, a folder of one folder per class, a CSV file or shards."
    ),
]
DataAgain = Annotated[str | None, typer.Option(help="The folder of images, where the data set is one.")]
Root = Annotated[Path | None, typer.Option(help="Where torchvision keeps cifar10 and fashion-mnist.")]
DeviceName = Annotated[str, typer.Option(help="One of `hwnas devices`, or a device's YAML file.")]
DeviceThreads = Annotated[
    int | None, typer.Option(help="Threads that the model runs with there.", show_default="the device's")
]
TorchThreads = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Threads of torch here.", show_default="all cores")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A YAML or JSON file of settings; options win over it.")
]
SeedOrConfigured = Annotated[
    int | None, typer.Option("--seed", help="The same seed gives the same result.", show_default="0")
]
MaxBad = Annotated[
    float | None,
    typer.Option(parser=lambda text: share_or_none(text), metavar="SHARE", show_default="1%",
                 help="Unreadable images, at most, which are skipped and told."),
]  # fmt: skip
Seed = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="The same seed gives the same result.")]


def group(name: str, text: str) -> typer.Typer:
    """A group of commands that can also be called without one of them."""
    commands = typer.Typer(help=text, invoke_without_command=True, context_settings=HELP)
    app.add_typer(commands, name=name)
    return commands


def called_alone(context: typer.Context, **options: object) -> bool:
    """Whether a group was called without one of its commands. Raises `BadParameter` where `options` of the group were
    given before a command: they would have no effect."""
    if context.invoked_subcommand is None:
        return True
    for name, value in options.items():
        if value:
            raise typer.BadParameter(f"{name} goes after {context.invoked_subcommand}")
    return False


def share_or_none(text: str) -> float:
    """A share as `share` reads it, or 0."""
    return 0.0 if text.strip() in ("0", "0%") else share(text)


def share_or_path(text: str) -> float | Path:
    """A share as `share_or_none` reads it, or the path of a folder or file that is there."""
    if Path(text).exists():
        return Path(text)
    try:
        return share_or_none(text)
    except typer.BadParameter:
        raise typer.BadParameter(f"give a share such as 10%, or a folder: {text!r} is neither") from None


def share(text: str) -> float:
    """A share above 0 and under 1, written 3% or 0.03. Raises `BadParameter` for any other text."""
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise typer.BadParameter(f"give a share such as 3% or 0.03, not {text!r}")
    return value


def configure(kind: type[C], file: Path | None, options: Mapping[str, object], settings: Sequence[str] | None) -> C:
    """The configuration of a command line: a `file`, the `options` that were given (not None), and each --set.

    Raises `InputError` for what there is not, and for an option and a setting that say different things.
    """
    from ..config import read_values

    given = {name: value for name, value in options.items() if value is not None}
    values = read_values(file) if file else {}
    try:
        return kind.layered(values, given, settings or ())
    except InputError as error:
        key = str(error.fields.get("key", ""))
        said = {*map(kind.full_name, given), *kind.read_settings(settings or ())}
        if file and key not in said and key.rpartition(".")[2] in _names(values):
            raise type(error)(f"{file}: {error}", code=error.code, **error.fields) from None
        raise


def _names(values: Mapping[str, object]) -> Iterator[str]:
    """Every name in the settings of a file, at any depth."""
    for name, value in values.items():
        yield name
        if isinstance(value, Mapping):
            yield from _names(value)
