"""Devices by ssh, against a real sshd on 127.0.0.1."""

import asyncio
import errno
import json
import socket
import subprocess
import sys
import time

import pytest
import real_sshd
from processes import wait_for_end

from hwnas import devices
from hwnas.devices import process, spec, ssh_channel
from hwnas.devices.base import DeviceState
from hwnas.devices.channel import ChannelClosed
from hwnas.devices.ssh import Ssh
from hwnas.errors import DeviceError
from hwnas.testing import refused


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    real_sshd.require()
    with real_sshd.Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def wire(sshd):
    wire = real_sshd.Wire(sshd.port)
    yield wire
    wire.cut()


@pytest.fixture
def board(sshd, wire, tmp_path):
    """A function that makes a device at the other end of the wire, from changes to its transport."""

    def make(**changes):
        there = {"port": wire.port, "folder": str(tmp_path / "there"), "timeout": "20 s"}
        transport = sshd.transport(**{**there, **changes})
        return devices.build(spec.DeviceFile.parse({"schema": 1, "name": "board", "transport": transport}, "test"))

    return make


def files_there(tmp_path):
    return sorted(path for path in (tmp_path / "there").rglob("*") if path.is_file() and path.name != "pid")


def test_it_is_the_same_device_as_here(board, model, tmp_path):
    with devices.get("cpu") as here, board() as there:
        assert [text.split(":")[0] for text in here.info.differences(there.info)] == ["device"]
        for device in (here, there):
            device.load("a", model)
        assert [times.shape for times in there.time([("a", 3), ("a", 1)])] == [(3,), (1,)]
        operators = [[operator.type for operator in device.breakdown(model).operators] for device in (here, there)]
        assert operators[0] == operators[1]
        there.state()
        assert (
            len(files_there(tmp_path)) == 4
        )  # the runner, its chooser of cores, its backend and the model, which was sent once for both requests
    assert files_there(tmp_path) == []
    assert list((tmp_path / "there").iterdir()) == []


def test_a_connection_that_is_cut_is_made_again(board, wire, model, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "WAITS", (0.0, 5.0))
    with board() as device:
        device.load("a", model)
        model.unlink()
        before = {path: path.stat().st_mtime_ns for path in files_there(tmp_path)}
        wire.cut()
        wire.mend()
        assert device.time([("a", 3)])[0].shape == (3,)
        assert {path: path.stat().st_mtime_ns for path in files_there(tmp_path)} == before
    assert files_there(tmp_path) == []


def test_a_connection_that_is_cut_while_the_runner_works(board, wire, model, monkeypatch):
    monkeypatch.setattr(process, "WAITS", (0.0, 5.0))
    with board() as device:
        device.load("a", model)
        receive = device.channel.receive

        def cut_first(timeout):
            monkeypatch.setattr(device.channel, "receive", receive)
            wire.cut()
            wire.mend()
            return receive(timeout)

        monkeypatch.setattr(device.channel, "receive", cut_first)
        assert device.time([("a", 1000)])[0].shape == (1000,)
        assert device.channel.receive == receive  # so it was cut


def test_it_works_where_a_loop_runs_already(board):
    """As in a notebook."""

    async def cell():
        with board() as device:
            return device.state()

    assert isinstance(asyncio.run(cell()), DeviceState)


def test_a_network_that_gives_up_is_a_broken_connection(board):
    async def gives_up():
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    with board() as device:
        with pytest.raises(ChannelClosed, match="Connection timed out"):
            device.channel._wait(gives_up(), 20)
        with pytest.raises(TimeoutError):
            device.channel._wait(asyncio.sleep(60), 0.01)


def test_a_connection_that_is_cut_for_good(board, wire, monkeypatch):
    monkeypatch.setattr(process, "WAITS", (0.0, 0.0))
    with board() as device:
        wire.cut()
        with refused("device.unreachable", DeviceError, device="board"):
            device.state()


def test_a_host_whose_key_changed_while_it_was_away(board, sshd, wire, monkeypatch):
    monkeypatch.setattr(process, "WAITS", (0.0, 0.0))
    with board() as device:
        wire.cut()
        wire.mend()
        sshd.known_hosts(wire.port, sshd.key)
        for code in ("host-key-changed", "not-running"):
            with refused(f"device.{code}", DeviceError):
                device.state()


def refusal(device, code):
    """The one line with which a device does not start, for an error of this code."""
    with refused(f"device.{code}", DeviceError) as found, device:
        pass
    return found.message


def test_a_changed_host_key_is_refused(board, sshd, wire):
    device = board()
    sshd.known_hosts(wire.port, sshd.key)
    text = refusal(device, "host-key-changed")
    assert f"-R '[127.0.0.1]:{wire.port}'" in text


def test_a_host_key_of_another_kind_is_refused(board, sshd, wire):
    device = board()
    other = real_sshd.keygen(sshd.folder / f"ecdsa_{wire.port}", "ecdsa")
    sshd.known_hosts(wire.port, other)
    refusal(device, "host-key-changed")


def test_an_unknown_host_is_refused(board, wire, tmp_path):
    for known in ("absent", "empty"):
        (tmp_path / "empty").touch()
        text = refusal(board(known_hosts=str(tmp_path / known)), "host-unknown")
        assert f"ssh-keyscan -p {wire.port} 127.0.0.1 >> {tmp_path / known}" in text


def test_a_user_key_that_is_not_accepted(board, sshd):
    refusal(board(key=str(sshd.host_key)), "key-refused")


def test_a_user_key_that_cannot_be_read(board, sshd, tmp_path):
    refusal(board(key=str(tmp_path / "absent")), "key-unreadable")
    refusal(board(key=str(sshd.folder / "sshd_config")), "key-unreadable")


def test_a_host_that_is_not_there(board):
    refusal(board(port=real_sshd.free_port()), "unreachable")


def test_a_host_without_python(board, tmp_path):
    assert "has no /no/python" in refusal(board(python="/no/python"), "cannot-start")


def test_a_python_without_onnxruntime(board, tmp_path):
    bare = tmp_path / "bare python"  # a name to be quoted
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    assert f"({sys.executable}) lacks what the runtime needs" in refusal(board(python=str(bare)), "cannot-start")


def test_a_host_without_sftp(board, sshd, model):
    config = sshd.folder / "sshd_config"
    text = config.read_text()
    config.write_text(text.replace("Subsystem", "#"))
    sshd.restart()
    try:
        with board() as device:
            device.load("a", model)
            assert device.time([("a", 3)])[0].shape == (3,)
    finally:
        config.write_text(text)
        sshd.restart()


@pytest.fixture
def login(board, sshd, tmp_path):
    """A function that makes a device whose login runs a script before each command, as a shell does ~/.bashrc."""
    lines = sshd.folder / "authorized_keys"
    keys = lines.read_text()

    def make(script):
        (tmp_path / "rc").write_text(f'{script}\neval "$SSH_ORIGINAL_COMMAND"\n')
        lines.write_text(f'command="sh {tmp_path}/rc" {keys}')
        return board()

    yield make
    lines.write_text(keys)


@pytest.mark.parametrize(
    "script",
    [
        "echo Welcome",
        "printf Welcome",
        "echo Welcome >&2",
        "cd /",
        "printf '\\0\\1\\n%70000s' x",
        "echo '{}'; echo hwnas-",
    ],
)
def test_a_login_that_prints_is_no_matter(login, model, tmp_path, script):
    with login(script) as device:
        device.load("a", model)
        assert device.time([("a", 3)])[0].shape == (3,)
        assert len(files_there(tmp_path)) >= 3
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo This account is not available.; exit 1", "status 1 before it ran a command, and printed: This account"),
        ("echo Choose:; exit 0", "status 0 before it ran a command, and printed: Choose:"),
        ("exec no-such-shell", "status 127 before it ran a command"),
        ("exit 0", "printed: nothing; see what its shell starts with"),
    ],
)
def test_a_login_that_runs_no_command_is_told(login, script, words):
    assert words in refusal(login(script), "no-login")


def test_a_host_that_talks_before_the_runner(board, tmp_path):
    """Such as a login script that greets."""
    greeter = tmp_path / "greeter"
    greeter.write_text("#!/bin/sh\necho Welcome\ncat\n")
    greeter.chmod(0o755)
    assert "Welcome" in refusal(board(python=str(greeter)), "answer")


def test_a_runner_that_hangs_is_ended_with_what_it_started(board, tmp_path, monkeypatch):
    monkeypatch.setattr(ssh_channel, "EXIT_SECONDS", 1.0)
    greeting = json.dumps({"model": "m", "runtime": "r", "version": "1", "threads": 1, "os": "o"})
    hanging = tmp_path / "hanging"
    hanging.write_text(f"#!/bin/sh\nsleep 600 &\necho $$ $! >{tmp_path}/pids\necho '{greeting}'\nexec sleep 600\n")
    hanging.chmod(0o755)
    with board(python=str(hanging)):
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert all(map(wait_for_end, pids))
    assert list((tmp_path / "there").iterdir()) == []


def test_a_folder_that_cannot_be(board):
    assert "cannot write to /dev/null/" in refusal(board(folder="/dev/null"), "cannot-write")


def test_paths_there_begin_at_home():
    there = Ssh(host="pi", python="~/bench/bin/python", folder="~/bench")
    assert (there.python, there.folder) == ("bench/bin/python", "bench")


@pytest.mark.parametrize("user", ["pi", "pi@example.org", "EXAMPLE\\pi", "svc-bench$", "1000", "josé"])
def test_users_of_domains(user):
    assert Ssh(host="pi", user=user).user == user


@pytest.mark.parametrize("user", ["-oProxyCommand=id", "a b", "a;b", "a'b", "@pi", ""])
def test_what_is_no_user(board, user):
    with refused("device.file-field", field="transport.user"):
        board(user=user)


@pytest.mark.parametrize(("written", "host"), [("::1", "::1"), ("[::1]", "::1"), ("fe80::1%eth0", "fe80::1%eth0")])
def test_addresses_of_ipv6(written, host):
    assert Ssh(host=written).host == host


def test_a_host_of_ipv6(sshd, board, model):
    config = sshd.folder / "sshd_config"
    text = config.read_text()
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("no IPv6 here")
    config.write_text(text.replace("127.0.0.1:", "[::1]:"))
    sshd.stop()
    sshd.process = subprocess.Popen([real_sshd.SSHD, "-D", "-f", config, "-E", sshd.folder / "log6"])
    try:
        device = board(host="::1", port=sshd.port, known_hosts=str(sshd.folder / "none"))
        for _ in range(50):
            time.sleep(0.1)
            text6 = refusal(device, "host-unknown") if sshd.process.poll() is None else ""
            if text6:
                break
        assert f"@[::1]:{sshd.port} is not in" in text6
        assert f"ssh-keyscan -p {sshd.port} ::1 >> " in text6
        kind, data, *_ = sshd.host_key.with_suffix(".pub").read_text().split()
        (sshd.folder / "known6").write_text(f"[::1]:{sshd.port} {kind} {data}\n")
        with board(host="::1", port=sshd.port, known_hosts=str(sshd.folder / "known6")) as there:
            there.load("a", model)
            assert there.time([("a", 2)])[0].shape == (2,)
    finally:
        config.write_text(text)
        sshd.restart()


def test_a_host_that_would_be_an_option_of_ssh_is_refused(board):
    with refused("device.file-field", field="transport.host"):
        board(host="-oProxyCommand=id")
    with refused("device.file-field", field="transport.timeout"):
        board(timeout=30)
