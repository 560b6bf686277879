"""Connect by ssh to a host whose key is known, or say in one line why not."""

from collections.abc import Sequence
from typing import Any

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from ..errors import DeviceError
from .answers import printable
from .channel import Unreachable
from .ssh import Ssh

ALIVE = 3
"""How many times in `timeout` a host that says nothing is asked whether it is there."""


async def connect(to: Ssh) -> asyncssh.SSHClientConnection:
    """A connection to `to`. Raises `DeviceError`, and `Unreachable` where another try may succeed."""
    known = _known_hosts(to)
    try:
        return await asyncssh.connect(
            to.host,
            to.port,
            known_hosts=known,  # never None, which would trust any host
            server_host_key_algs=_algorithms(to, known),
            config=None,  # the device file says it all
            preferred_auth=["publickey"],
            connect_timeout=to.timeout,
            login_timeout=to.timeout,
            keepalive_interval=to.timeout / ALIVE,
            keepalive_count_max=ALIVE,
            **_identity(to),
        )
    except asyncssh.HostKeyNotVerifiable:
        raise _refusal(to, known) from None
    except asyncssh.PermissionDenied:
        key = to.key or "any key of this user or of their agent"
        message = f"{place(to)} does not accept {key}: add its public key to authorized_keys there"
        raise DeviceError(message, code="device.key-refused", host=to.host) from None
    except TimeoutError:
        raise Unreachable(f"{place(to)} did not answer within {to.timeout:g} s") from None
    except (asyncssh.Error, OSError) as error:
        raise Unreachable(f"{place(to)} cannot be reached: {reason(error)}") from None


def place(to: Ssh) -> str:
    """The host as errors name it."""
    host = f"[{to.host}]" if ":" in to.host else to.host
    return f"{to.user}@{host}:{to.port}" if to.user else f"{host}:{to.port}"


def reason(error: Exception) -> str:
    """Why, in one line; some of it may be the host's own words."""
    return printable(getattr(error, "reason", None) or getattr(error, "strerror", None) or error)


def _known_hosts(to: Ssh) -> asyncssh.SSHKnownHosts:
    try:
        return asyncssh.read_known_hosts(str(to.known_hosts))
    except FileNotFoundError:
        return asyncssh.import_known_hosts("")
    except (OSError, ValueError) as error:
        message = f"cannot read known hosts {to.known_hosts}: {reason(error)}"
        raise DeviceError(message, code="device.known-hosts-unreadable", path=str(to.known_hosts)) from None


def _identity(to: Ssh) -> dict[str, Any]:
    """Who we are there, as options of a connection."""
    options: dict[str, Any] = {"username": to.user} if to.user else {}
    if to.key is None:
        return options
    try:
        return {**options, "client_keys": [asyncssh.read_private_key(to.key)], "agent_path": None}
    except (OSError, ValueError) as error:
        message = f"cannot use the private key {to.key}: {reason(error)}"
        raise DeviceError(message, code="device.key-unreadable", path=str(to.key)) from None


def _trusted(to: Ssh, known: asyncssh.SSHKnownHosts) -> tuple[Sequence[Any], Sequence[Any]]:
    """The keys that the host is known by, and those of authorities that may vouch for it."""
    keys, authorities, *_ = asyncssh.match_known_hosts(known, to.host, "", None if to.port == 22 else to.port)
    return keys, authorities


def _algorithms(to: Ssh, known: asyncssh.SSHKnownHosts) -> list[str]:
    """All kinds of host keys, those known first: a host that has none of them is to show another, and be refused."""
    keys, authorities = _trusted(to, known)
    wanted = [*(get_default_certificate_algs() if authorities else ())]
    wanted += [name for key in keys for name in key.sig_algorithms]
    return [name.decode() for name in dict.fromkeys([*wanted, *get_default_public_key_algs()])]


def _refusal(to: Ssh, known: asyncssh.SSHKnownHosts) -> DeviceError:
    """The error for a host whose key is not trusted: the host is not known, or it is known by another key."""
    if not any(_trusted(to, known)):
        scan = f"ssh-keyscan -p {to.port} {to.host} >> {to.known_hosts}"
        message = f"{place(to)} is not in {to.known_hosts}: if you trust this network, add it with '{scan}'"
        return DeviceError(message, code="device.host-unknown", host=to.host, port=to.port)
    entry = to.host if to.port == 22 else f"'[{to.host}]:{to.port}'"
    message = (
        f"{place(to)} shows another host key than the one in {to.known_hosts}: this may be an attack; "
        f'if the host was set up anew, forget its old key with "ssh-keygen -f {to.known_hosts} -R {entry}"'
    )
    return DeviceError(message, code="device.host-key-changed", host=to.host, port=to.port)
