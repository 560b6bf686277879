"""Connects by ssh to a host whose key is known, or says in one line why not."""

from typing import Any

import asyncssh

from .base import DeviceError
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
            config=None,  # the device file says it all
            preferred_auth=["publickey"],
            connect_timeout=to.timeout,
            login_timeout=to.timeout,
            keepalive_interval=to.timeout / ALIVE,
            keepalive_count_max=ALIVE,
            **_identity(to),
        )
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
        raise DeviceError(_refusal(to, known, error)) from None
    except asyncssh.PermissionDenied:
        key = to.key or "any key of this user or of their agent"
        raise DeviceError(f"{place(to)} does not accept {key}: add its public key to authorized_keys there") from None
    except TimeoutError:
        raise Unreachable(f"{place(to)} did not answer within {to.timeout:g} s") from None
    except (asyncssh.Error, OSError) as error:
        raise Unreachable(f"{place(to)} cannot be reached: {reason(error)}") from None


def place(to: Ssh) -> str:
    """The host as errors name it."""
    return f"{to.user}@{to.host}:{to.port}" if to.user else f"{to.host}:{to.port}"


def reason(error: Exception) -> str:
    """Why, in one line."""
    return " ".join(str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error).split())


def _known_hosts(to: Ssh) -> asyncssh.SSHKnownHosts:
    try:
        return asyncssh.read_known_hosts(str(to.known_hosts))
    except FileNotFoundError:
        return asyncssh.import_known_hosts("")
    except (OSError, ValueError) as error:
        raise DeviceError(f"cannot read known hosts {to.known_hosts}: {reason(error)}") from None


def _identity(to: Ssh) -> dict[str, Any]:
    """Who we are there, as options of a connection."""
    options: dict[str, Any] = {"username": to.user} if to.user else {}
    if to.key is None:
        return options
    try:
        return {**options, "client_keys": [asyncssh.read_private_key(to.key)], "agent_path": None}
    except (OSError, ValueError) as error:
        raise DeviceError(f"cannot use the private key {to.key}: {reason(error)}") from None


def _refusal(to: Ssh, known: asyncssh.SSHKnownHosts, error: asyncssh.Error) -> str:
    """Why the key of a host is not trusted: it is not known, or it is known by another."""
    keys, authorities, revoked, *_ = asyncssh.match_known_hosts(known, to.host, "", None if to.port == 22 else to.port)
    if not (keys or authorities or revoked):
        scan = f"ssh-keyscan -p {to.port} {to.host} >> {to.known_hosts}"
        return f"{place(to)} is not in {to.known_hosts}: if you trust this network, add it with '{scan}'"
    if isinstance(error, asyncssh.KeyExchangeFailed) and "host key" not in error.reason:
        return f"{place(to)} cannot be talked to: {reason(error)}"
    entry = to.host if to.port == 22 else f"'[{to.host}]:{to.port}'"
    return (
        f"{place(to)} shows another host key than the one in {to.known_hosts}: this may be an attack; "
        f'if the host was set up anew, forget its old key with "ssh-keygen -f {to.known_hosts} -R {entry}"'
    )
