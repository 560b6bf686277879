"""The wire to an adb server and to a phone behind it: what goes over, and what is said when it does not."""

import socket

import pytest

from hwnas.devices.channel import ChannelClosed, Unreachable
from hwnas.devices.phone import Phone
from hwnas.testing import refused

pytest.importorskip("adbutils", reason="phones need adbutils")


def test_a_push_that_breaks_and_one_that_does_not(adb, tmp_path):
    target = Phone("PHONE1", "127.0.0.1", adb.port, 20)
    file, copy = tmp_path / "file", tmp_path / "copy, of a file"
    file.write_bytes(bytes(range(251)) * 1000)  # several messages
    adb.cut_at = "sync:"
    with pytest.raises(ChannelClosed, match="broke"):
        target.push(file, str(copy))
    target.push(file, str(copy))
    assert copy.read_bytes() == file.read_bytes()


def test_a_push_that_is_refused(adb, model, tmp_path):
    with refused("device.cannot-write", path=str(tmp_path / "absent" / "copy")):
        Phone("PHONE1", "127.0.0.1", adb.port, 20).push(model, str(tmp_path / "absent" / "copy"))


def test_no_adb_server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with refused("device.no-adb-server", Unreachable, host="127.0.0.1", port=port):
        Phone(None, "127.0.0.1", port, 20).find()


def test_something_else_at_the_port():
    """A server that takes connections and hangs: the timeout ends it, whatever the server is."""
    with socket.create_server(("127.0.0.1", 0)) as server, refused("device.no-adb-server", Unreachable):
        Phone(None, "127.0.0.1", server.getsockname()[1], 0.2).find()


def test_what_commands_print_and_how_they_end(adb):
    target = Phone("PHONE1", "127.0.0.1", adb.port, 20)
    assert target.shell("echo hello") == (0, "hello\n")
    assert target.shell("echo status=0; sh -c 'exit 3'") == (3, "status=0\n")
    with pytest.raises(ChannelClosed, match="in the middle of a command"):
        target.shell("echo hello; exit")


def test_commands_that_do_not_end(adb):
    target = Phone("PHONE1", "127.0.0.1", adb.port, 20)
    with pytest.raises(TimeoutError):
        target.shell("sleep 60", 0.2)
    with refused("device.answer", what="length"):
        target.shell("yes")
