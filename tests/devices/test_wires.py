"""Connections that break, hang or say nothing: each ends in one error that says what to do, without a network."""

import asyncio
import socket
from types import SimpleNamespace

import pytest

from hwnas.devices import ssh_channel
from hwnas.devices.adb import Adb
from hwnas.devices.channel import ChannelClosed, Unreachable
from hwnas.devices.onnxruntime import OnnxRuntime
from hwnas.devices.phone import Phone, Stream
from hwnas.devices.phone_channel import PhoneChannel
from hwnas.devices.process import RunnerDevice
from hwnas.devices.runtime import Runtime
from hwnas.devices.ssh import Ssh
from hwnas.errors import DeviceError
from hwnas.testing import refused

asyncssh = pytest.importorskip("asyncssh", reason="boards need asyncssh")
pytest.importorskip("adbutils", reason="phones need adbutils")
HOST = Ssh(host="pi", user="me", timeout="2 s")


@pytest.fixture
def ssh():
    """A channel that is not open, whose runner was found and has said nothing."""
    channel = ssh_channel.SshChannel(HOST, OnnxRuntime())
    channel._noise = channel._errors = b""
    channel._begun = False
    return channel


def late(work, timeout=None):
    work.close()
    raise TimeoutError


def test_a_board_that_does_not_start_the_runner_may_do_so_later(ssh, monkeypatch):
    monkeypatch.setattr(ssh, "_wait", late)
    with refused("device.unreachable", Unreachable) as refusal:
        ssh.open()
    assert refusal.message == "me@pi:22 did not start the runner within 6 s"
    monkeypatch.undo()
    ssh.close()
    assert ssh._loop is None


def test_a_runner_that_reads_nothing_has_ended(ssh, monkeypatch):
    monkeypatch.setattr(ssh, "_wait", late)
    with pytest.raises(ChannelClosed, match="does not read what it is sent"):
        ssh.send("{}\n")


def test_what_is_not_open_is_closed(ssh):
    with pytest.raises(ChannelClosed, match="the connection is not open"):
        asyncio.run(ssh._run("pwd"))


def process_that(says, status=None):
    """A process there that says these bytes and ends."""

    async def read(_):
        return parts.pop(0)

    async def closed():
        pass

    parts = [*says, b""]
    return SimpleNamespace(stdout=SimpleNamespace(read=read), wait_closed=closed, exit_status=status)


def heard(ssh, says, errors=b"", status=None):
    """What the channel reads of such a process."""

    async def read():
        ssh._process, ssh._errors = process_that(says, status), errors
        ssh._listening = asyncio.create_task(asyncio.sleep(0))
        return await ssh._read()

    return asyncio.run(read())


def test_what_a_login_says_before_the_runner_is_left_out(ssh):
    mark = f"{ssh._mark}\n".encode()
    assert heard(ssh, [b"Welcome\n", mark[:9], mark[9:], b"{}\n"]) == b"{}\n"
    assert heard(ssh, [b"more"]) == b"more"


def test_a_login_that_prints_without_end_is_ended(ssh, monkeypatch):
    monkeypatch.setattr(ssh_channel, "NOISE", 8)
    with pytest.raises(ChannelClosed, match="the login on me@pi:22 prints without end: and on"):
        heard(ssh, [b"on\n", b"and on"])


@pytest.mark.parametrize(
    ("begun", "errors", "status", "words"),
    [
        (False, b"no shell", 1, "the login on me@pi:22 ended with status 1 .* printed: no shell"),
        (True, b"sh: python3: not found", 127, "me@pi:22 has no python3: name its Python in the device file"),
        (True, b"a\nout of memory\n", 1, "^out of memory$"),
        (True, b"", 3, "^exit status 3$"),
        (True, b"", None, "^connection lost$"),
        (False, b"", None, "^connection lost$"),
    ],
)
def test_a_runner_that_ends_is_told_with_its_last_words(ssh, begun, errors, status, words):
    ssh._begun = begun
    with pytest.raises(ChannelClosed, match=words):
        heard(ssh, [], errors, status)


def test_a_command_whose_end_is_not_heard_is_a_lost_connection(ssh):
    async def run(*_, **options):
        return SimpleNamespace(stdout=b"", stderr=b"", exit_status=None)

    ssh._connection = SimpleNamespace(run=run)
    with pytest.raises(ChannelClosed, match="connection lost"):
        asyncio.run(ssh._run("pwd"))


@pytest.fixture
def connect(monkeypatch):
    """A function that connects to a host where asyncssh raises an error."""
    from hwnas.devices import ssh_connection

    def to(host, error):
        async def fail(*_, **options):
            raise error

        monkeypatch.setattr(asyncssh, "connect", fail)
        asyncio.run(ssh_connection.connect(host))

    return to


def test_a_host_that_is_late_or_away_may_be_there_later(connect, tmp_path):
    host = HOST.model_copy(update={"known_hosts": tmp_path / "none"})
    for error, words in [(TimeoutError(), "did not answer within 2 s"), (OSError(1, "gone"), "be reached: gone")]:
        with refused("device.unreachable", Unreachable) as refusal:
            connect(host, error)
        assert words in refusal.message
    with refused("device.key-refused", DeviceError, host="pi") as refusal:
        connect(host, asyncssh.PermissionDenied("no"))
    assert "any key of this user" in refusal.message


def test_known_hosts_that_cannot_be_read_are_named(connect, tmp_path):
    with refused("device.known-hosts-unreadable", DeviceError, path=str(tmp_path)):
        connect(HOST.model_copy(update={"known_hosts": tmp_path}), AssertionError("not reached"))


class Broken:
    """A connection to a phone that breaks at whatever is done with it."""

    def __init__(self, error):
        self.conn, self.error, self.closed = self, error, False

    def fail(self, *_):
        raise self.error

    sendall = recv = send_command = fail

    def settimeout(self, seconds):
        assert seconds > 0

    def close(self):
        self.closed = True


def test_a_stream_that_breaks_is_closed_and_one_that_is_late_is_late():
    stream = Stream(Broken(OSError("reset")))
    for use in (lambda: stream.send("{}\n", 1), lambda: stream.line(1), lambda: stream.rest(1)):
        with pytest.raises(ChannelClosed, match="the connection to the phone broke: reset"):
            use()
    with pytest.raises(TimeoutError):
        Stream(Broken(TimeoutError())).line(1)
    with pytest.raises(TimeoutError):
        stream.line(0)


def test_a_stream_that_ends_within_a_line_is_broken():
    connection = Broken(OSError())
    connection.recv = lambda _: b""
    with pytest.raises(ChannelClosed, match=r"the connection to the phone broke$"):
        Stream(connection).line(1)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_push_that_breaks_is_closed(tmp_path, monkeypatch):
    target, broken = Phone("PHONE1", "127.0.0.1", 1, 2), Broken(OSError("reset"))
    (tmp_path / "file").write_bytes(b"some")
    monkeypatch.setattr(target, "_service", lambda name: broken)
    with pytest.raises(ChannelClosed, match="the connection to the phone broke: reset"):
        target.push(tmp_path / "file", "/data/there")
    assert broken.closed


def test_a_phone_whose_server_is_gone_is_a_broken_connection(tmp_path, monkeypatch):
    target = Phone("PHONE1", "127.0.0.1", free_port(), 2)
    with pytest.raises(ChannelClosed, match="the connection to the phone broke: "):
        target.start("ls")
    broken = Broken(OSError("reset"))
    monkeypatch.setattr(target, "_require_server", lambda: None)
    monkeypatch.setattr(target._client, "make_connection", lambda _: broken)
    with pytest.raises(ChannelClosed, match="reset"):
        target.start("ls")
    assert broken.closed
    with refused("model.unreadable", path=str(tmp_path / "absent")):
        target.push(tmp_path / "absent", "/data/there")


class FakePhone:
    """A phone that is found, and whose commands end as told."""

    timeout = 2

    def __init__(self, *ends):
        self.ends, self.asked = list(ends), []

    def find(self):
        pass

    def shell(self, command):
        self.asked.append(command)
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end


@pytest.mark.parametrize(
    ("error", "words"),
    [(ChannelClosed("the cable is out"), "the cable is out"), (TimeoutError(), "the phone did not answer within 2 s")],
)
def test_a_phone_that_breaks_or_hangs_at_first_may_be_there_later(error, words):
    with refused("device.unreachable", Unreachable) as refusal:
        PhoneChannel(FakePhone(error), "/data", OnnxRuntime()).open()
    assert refusal.message == words


@pytest.mark.parametrize(
    ("printed", "words"), [("\nRead-only file system\n", "Read-only file system"), ("", "status 1")]
)
def test_a_command_that_fails_on_a_phone_is_told_with_its_last_words(printed, words):
    with refused("device.command-failed", DeviceError, command="mkdir", status=1) as refusal:
        PhoneChannel(FakePhone((1, printed)), "/data", OnnxRuntime()).open()
    assert refusal.message == f"mkdir fails on the phone: {words}"


def test_onnxruntimes_program_runs_no_other_runtime():
    class Other(Runtime):
        phones = True

    with refused("device.no-phone-runtime", runtime="Other"):
        Adb(perf_test="/data/perf_test").channel(Other())


def test_times_of_a_model_that_is_not_loaded_are_as_answered():
    """The runner may know it from elsewhere; how long it may take is then not known here."""

    class Known:
        resumable = False

        def open(self):
            self.lines = [
                '{"model": "m", "runtime": "r", "version": "1", "threads": 1, "os": "o"}',
                '{"seconds": [[2]]}',
            ]

        def send(self, line):
            assert '"visits": [["a", 1]]' in line

        def receive(self, timeout):
            return self.lines.pop(0)

        def close(self):
            pass

    with RunnerDevice("known", Known()) as device:
        (seconds,) = device.time([("a", 1)])
    assert seconds.tolist() == [2.0]
