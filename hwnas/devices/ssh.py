"""A machine reached by ssh: a Linux board, a server, or a phone under Termux."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ..errors import InputError
from .channel import Channel
from .runtime import Runtime
from .spec import Seconds, Transport

HOST = r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]*"
"""A host or an address, of IPv6 too: it is repeated in the commands that an error suggests."""

USER = r"[\w][\w.@\\+$-]*"
"""A user, who may be of a domain: pi, pi@example.org or EXAMPLE\\pi."""


def _expand_home(path: Path) -> Path:
    """`path` with `~` as the user's home."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path} is of a user who has no home here") from None


def _relative_to_home(path: str) -> str:
    """`path` without `~/`, which is where ssh begins, and which no shell there would expand once it is quoted."""
    return path.removeprefix("~/")


def _without_brackets(host: Any) -> Any:
    """`host`, or the address of IPv6 that it is in brackets, as in [::1]."""
    return host[1:-1] if isinstance(host, str) and host[:1] == "[" and host[-1:] == "]" else host


PathHere = Annotated[Path, AfterValidator(_expand_home)]
PathThere = Annotated[str, Field(min_length=1), AfterValidator(_relative_to_home)]


class Ssh(Transport):
    """Runs the runner with `python` on `host`, in a new folder inside `folder` there, which is removed at the end.

    `key` is a private key; without it, those of the user and of their agent are tried. The host must be in
    `known_hosts` with the key that it shows. `timeout` is how long to wait for it to answer. Relative paths here are of
    the current folder, and there of the user's home.
    """

    host: Annotated[str, BeforeValidator(_without_brackets)] = Field(pattern=f"^{HOST}$")
    port: int = Field(22, ge=1, le=65535)
    user: str | None = Field(None, pattern=f"^{USER}$")
    key: PathHere | None = None
    known_hosts: PathHere = Field(Path("~/.ssh/known_hosts"), validate_default=True)
    python: PathThere = "python3"
    folder: PathThere = ".cache/hwnas"
    timeout: Seconds = 30.0

    def channel(self, runtime: Runtime) -> Channel:
        """A session there. Raises `InputError` where asyncssh is not installed."""
        try:
            from .ssh_channel import SshChannel  # here, so that device files can be read without asyncssh
        except ModuleNotFoundError as error:
            message = f"ssh needs a package that is not installed ({error.name}): pip install 'hwnas[ssh]'"
            raise InputError(message, code="device.package-absent", package=error.name) from None
        return SshChannel(self, runtime)
