"""A real sshd on 127.0.0.1 that accepts one key made for the test, and a wire to it that can be cut."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import pytest

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
ABSENT = "sshd is not installed" if not Path(SSHD).exists() else None
if ABSENT is None and os.geteuid() == 0 and not Path("/run/sshd").is_dir():
    ABSENT = "sshd needs the folder /run/sshd"

USER = pwd.getpwuid(os.geteuid()).pw_name


def require() -> None:
    """Skip where there is no sshd or no asyncssh, unless the environment promises both."""
    missing = ABSENT if find_spec("asyncssh") else "asyncssh is not installed"
    if missing and os.environ.get("HWNAS_REQUIRE_SSHD"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


def keygen(path: Path, kind: str = "ed25519") -> Path:
    """A new private key at `path`, without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sshd:
    """The server, with its files in `folder`. A context manager, at whose end it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.key = keygen(folder / "user_key")
        self.host_key = keygen(folder / "host_key")
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        options = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": self.host_key,
            "AuthorizedKeysFile": folder / "authorized_keys",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "Subsystem": "sftp internal-sftp",
        }
        (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        self.start()

    def start(self) -> None:
        log = self.folder / "sshd.log"
        command = [SSHD, "-D", "-f", self.folder / "sshd_config", "-E", log]
        self.process = subprocess.Popen(command)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        pytest.fail(f"sshd did not start: {log.read_text()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def known_hosts(self, port: int, key: Path | None = None) -> Path:
        """A file that says that the host at `port` has the public key of `key`: its own, if none is given."""
        kind, data, *_ = (key or self.host_key).with_suffix(".pub").read_text().split()
        path = self.folder / f"known_hosts_{port}"
        path.write_text(f"[127.0.0.1]:{port} {kind} {data}\n")
        return path

    def transport(self, **changes: object) -> dict[str, object]:
        """The part of a device file that reaches this server, with `changes`."""
        port = changes.get("port", self.port)
        return {
            "kind": "ssh",
            "host": "127.0.0.1",
            "port": port,
            "user": USER,
            "key": str(self.key),
            "known_hosts": str(self.known_hosts(port)),
            "python": sys.executable,
            **changes,
        }


class Wire:
    """Passes connections on to `port` until it is cut: then they break, and new ones are refused until it is mended."""

    def __init__(self, port: int) -> None:
        self.to, self.port = port, free_port()
        self.ends: list[socket.socket] = []
        self.mend()

    def mend(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self) -> None:
        for end in (self.listener, *self.ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.ends.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
