"""An adb server with a phone behind it: speaks adb's wire protocol on 127.0.0.1, and runs what it is asked for here.

Of the protocol it has what adbutils needs for commands and pushes: requests with a length of 4 hexadecimal digits,
OKAY and FAIL, the services host:devices, host:transport, exec: and sync: (SEND). Like adbd it joins a command to a
socket, its complaints merged into its output, and does no more than close that when the connection closes. The phone's
/sys is a folder here.
"""

import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading
from contextlib import suppress
from pathlib import Path


class FakeAdb:
    """A context manager. `phones` are states by serial; `folder` holds the phone's `bin` (on its PATH) and `sys`.

    The first request or input that contains `cut_at` is answered by breaking every connection, as a pulled plug does.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.phones = {"PHONE1": "device"}
        self.cut_at: str | None = None
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._processes: list[subprocess.Popen] = []

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def __enter__(self) -> "FakeAdb":
        self._spawn(self._listen)
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End the server, as `adb kill-server` does."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _spawn(self, *call) -> None:
        thread = threading.Thread(target=call[0], args=call[1:], daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                self._spawn(self._converse, self._listener.accept()[0])

    def _converse(self, connection: socket.socket) -> None:
        self._open.add(connection)
        try:
            while request := self._request(connection):
                if self._cutting(request):
                    return
                self._serve(connection, request)
        except (OSError, EOFError):
            pass  # the other side hung up, which is its right
        finally:
            self._open.discard(connection)
            connection.close()

    def _cutting(self, said: str) -> bool:
        """Break everything if this is what was waited for."""
        if not self.cut_at or self.cut_at not in said:
            return False
        self.cut_at, self.cuts = None, self.cuts + 1
        self.cut()
        return True

    def _request(self, connection: socket.socket) -> str | None:
        head = connection.recv(4, socket.MSG_WAITALL)
        return take(connection, int(head, 16)).decode() if len(head) == 4 else None

    def _serve(self, connection: socket.socket, request: str) -> None:
        if request == "host:devices":
            connection.sendall(b"OKAY" + block("".join(f"{name}\t{state}\n" for name, state in self.phones.items())))
        elif request.startswith("host:transport:"):
            serial = request.removeprefix("host:transport:")
            found = self.phones.get(serial) == "device"
            connection.sendall(b"OKAY" if found else b"FAIL" + block(f"device '{serial}' not found"))
        elif request.startswith("exec:"):
            connection.sendall(b"OKAY")
            self._execute(connection, request.removeprefix("exec:"))
        elif request == "sync:":
            connection.sendall(b"OKAY")
            receive_file(connection)
        else:
            connection.sendall(b"FAIL" + block(f"unknown host service '{request}'"))

    def _execute(self, connection: socket.socket, command: str) -> None:
        """Run a command on a socket that is joined to the connection, until either ends."""
        command = re.sub(r"(?<![\w/])/sys/", f"{self.folder}/sys/", command)
        path = f"{self.folder}/bin{os.pathsep}{os.environ['PATH']}"
        near, far = socket.socketpair()
        with near:
            with far:
                process = subprocess.Popen(
                    ["sh", "-c", command],
                    stdin=far,
                    stdout=far,
                    stderr=far,
                    env={**os.environ, "PATH": path},
                    start_new_session=True,
                )
            self._processes.append(process)
            self._join(connection, near)
        connection.shutdown(socket.SHUT_RDWR)

    def _join(self, connection: socket.socket, program: socket.socket) -> None:
        others = {connection: program, program: connection}
        while True:
            for source in select.select([*others], [], [])[0]:
                data = source.recv(2**16)
                if not data or (source is connection and self._cutting(data.decode())):
                    return
                others[source].sendall(data)


def receive_file(connection: socket.socket) -> None:
    """The sync service: take a file that is sent."""
    kind, size = struct.unpack("<4sI", take(connection, 8))
    assert kind == b"SEND"
    path, mode = take(connection, size).decode().rsplit(",", 1)
    data = bytearray()
    while True:
        kind, size = struct.unpack("<4sI", take(connection, 8))
        if kind == b"DONE":
            break
        assert kind == b"DATA"
        assert size <= 2**16
        data += take(connection, size)
    try:
        Path(path).write_bytes(data)
        Path(path).chmod(int(mode) & 0o777)
        connection.sendall(b"OKAY" + struct.pack("<I", 0))
    except OSError as error:
        reason = f"couldn't create file: {error.strerror}".encode()
        connection.sendall(b"FAIL" + struct.pack("<I", len(reason)) + reason)


def take(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    data = connection.recv(size, socket.MSG_WAITALL) if size else b""
    if len(data) < size:
        raise EOFError
    return data


def block(text: str) -> bytes:
    """Text with its length before it."""
    return f"{len(text.encode()):04x}{text}".encode()
