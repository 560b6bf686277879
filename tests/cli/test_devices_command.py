"""`hwnas devices`: what is known, and what a device says when it is tried out."""

import json

import pytest

FILE = "schema: 1\nname: mine\ntransport: {kind: local}\nruntime: {kind: onnxruntime, threads: 2, precision: int8}\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A function that writes a device file into the folder of known ones."""
    monkeypatch.delenv("HWNAS_DEVICES", raising=False)
    (tmp_path / "devices").mkdir()

    def write(name, text):
        (tmp_path / "devices" / name).write_text(text)

    return write


def test_the_list_has_what_is_built_in_and_what_files_say(hwnas, files):
    files("mine.yaml", FILE)
    files("wrong.yaml", FILE.replace("threads", "thread"))
    code, out, _ = hwnas("devices", "--json")
    cpu, mine, wrong = json.loads(out)
    assert code == 0
    assert (cpu["name"], cpu["transport"], cpu["runtime"], cpu["threads"]) == ("cpu", "local", "onnxruntime", 1)
    assert (mine["name"], mine["threads"], mine["precision"]) == ("mine", 2, "int8")
    assert wrong["name"] == "devices/wrong.yaml"
    assert "thread" in wrong["error"]
    _, out, _ = hwnas("devices")
    assert "mine" in out
    assert f"devices/wrong.yaml: {wrong['error']}" in out.splitlines()


def test_the_list_starts_no_device(hwnas, files, monkeypatch):
    monkeypatch.setattr("hwnas.devices.get", None)
    files("board.yaml", "schema: 1\nname: board\ntransport: {kind: ssh, host: 127.0.0.1}\n")
    code, out, _ = hwnas("devices", "--json")
    assert code == 0
    assert json.loads(out)[1]["settings"] == "host 127.0.0.1"


def test_a_check_runs_a_model(hwnas, files):
    code, out, _ = hwnas("devices", "check", "cpu", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["seconds"] > 0
    assert found["info"]["runtime"] == "onnxruntime"
    assert {"mhz", "celsius", "throttled"} <= found["state"].keys()
    files("mine.yaml", FILE.replace("threads: 2, ", ""))
    code, out, _ = hwnas("devices", "check", "devices/mine.yaml")
    assert code == 0
    assert out.startswith("mine works: ")
    assert "precision int8" in out


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        ("check toaster", FILE, "no device 'toaster': there are cpu, mine"),
        ("check none.yaml", FILE, "cannot read device file none.yaml"),
        ("check devices/mine.yaml", FILE.replace("threads", "thread"), "mine.yaml: runtime: thread: "),
        ("check devices/mine.yaml", FILE.replace("local", "ssh, host: h, timeout: 30"), "such as '30 s'"),
        ("check devices/mine.yaml", FILE.replace("local", "ssh, host: h, timeout: 30 h"), "units ms, s, min"),
        ("check devices/mine.yaml", FILE.replace("local", "smoke"), "must be one of local, ssh, adb"),
        ("check devices/mine.yaml", FILE + "colour: red\n", "colour: no such field"),
        ("check devices/mine.yaml", FILE.replace("schema: 1", "schema: 9"), "not a device file of schema 1"),
        ("--json check cpu", FILE, "--json goes after check"),
    ],
)
def test_a_mistake_in_a_device_is_one_line(refused, files, words, text, message):
    files("mine.yaml", text)
    assert message in refused("devices", *words.split())
