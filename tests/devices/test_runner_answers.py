"""The runner called as a module: what it reads of a machine, which cores it takes, and what it answers."""

import gc
import io
import json
import os
import sys
from types import SimpleNamespace

import pytest

from hwnas.devices import runner

BACKEND = """
class Backend:
    runtime, version = 'plain', '1'
    def __init__(self, threads, factor='1'): self.threads, self.factor = threads, float(factor)
    def load(self, path):
        if path == 'none': raise OSError('no\\nfile')
        return Model(self.factor)
class Model:
    closed = False
    def __init__(self, factor): self.factor = factor
    def time(self, repeats): return [self.factor] * repeats
    def close(self): Model.closed = True
"""
TELLS_MORE = """
    def describe(self): return {'precision': 'float16', 'model': 'own'}
    def breakdown(self, path, repeats): return {'operators': [[path, repeats]], 'peak_bytes': 7}
"""


@pytest.fixture
def files(monkeypatch):
    """The files of the operating system, by their paths."""
    found = {}
    monkeypatch.setattr(runner, "read", found.get)
    monkeypatch.setattr(runner.glob, "glob", lambda pattern: [path for path in found if "thermal_zone" in path])
    return found


@pytest.fixture
def cores(monkeypatch):
    """The cores that this process may run on, and is put on."""
    allowed = [0, 1, 2, 3]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(allowed), raising=False)
    monkeypatch.setattr(
        os, "sched_setaffinity", lambda _, wanted: allowed.__setitem__(slice(None), wanted), raising=False
    )
    return allowed


@pytest.fixture
def asked(tmp_path, cores):
    """A function that gives what a command line asks for, with the text of a backend."""

    def ask(text=BACKEND, **changes):
        path = tmp_path / "plain.py"
        path.write_text(text)
        fields = {"threads": 1, "cores": [], "chooser": None, "gpu": None, "alone": True}
        return SimpleNamespace(**{**fields, "backend": str(path), "arguments": [], **changes})

    yield ask
    sys.modules.pop("backend", None)


def test_a_small_file_is_its_text_without_its_end(tmp_path):
    (tmp_path / "model").write_bytes(b"A board\xff\0\n")
    assert runner.read(str(tmp_path / "model")) == "A board\ufffd"
    assert runner.read(str(tmp_path / "absent")) is None


@pytest.mark.parametrize(("text", "number"), [("12", 12.0), ("1.5", 1.5), ("", None), (None, None), ("-3", None)])
def test_a_number_is_read_only_between_its_bounds(text, number):
    assert runner.number_between(text, 1, 100) == number
    assert runner.number_between(text, 20, 100) is None


@pytest.mark.parametrize(
    ("threads", "given", "chosen", "got"),
    [(2, [], [], [2, 3]), (2, [], [0, 1], [0, 1]), (1, [1], [0], [1]), (2, [3, 0], [], [0, 3])],
)
def test_threads_run_on_the_cores_given_or_chosen_or_the_last(threads, given, chosen, got, cores):
    assert runner.pin(threads, given, chosen) == got == sorted(cores)


def test_cores_that_cannot_be_had_are_refused(cores, monkeypatch):
    with pytest.raises(ValueError, match="cannot run 3 threads: this machine gives 2 cores"):
        runner.pin(3, [], [0, 1])
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
    with pytest.raises(ValueError, match=r"cannot run on the cores \[5\]: this machine gives \[0, 1\]"):
        runner.pin(1, [5], [])
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(ValueError, match="gives no choice"):
        runner.pin(1, [5], [])
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert runner.pin(2, [], []) == []


def test_a_cpu_tells_what_times_depend_on(files, cores):
    cpu = "/sys/devices/system/cpu/cpu"
    files.update(
        {
            "/proc/cpuinfo": "model name\t: Core A\nmodel name\t: Core B\n",
            "/proc/device-tree/model": "Board 4",
            f"{cpu}3/cpufreq/scaling_governor": "performance",
            f"{cpu}2/cpufreq/cpuinfo_max_freq": "1500000",
            f"{cpu}3/cpufreq/cpuinfo_max_freq": "1800000",
        }
    )
    told = runner.Cpu(2, [], ([2, 3], "the fast ones")).describe()
    wanted = {"model": "Core B", "threads": 2, "cores": [2, 3], "cores_reason": "the fast ones", "chip": "Board 4"}
    assert {**told, **wanted, "governor": "performance", "max_mhz": 1800.0} == told
    assert runner.Cpu(2, [2, 3], ([0], "not asked")).why == ""


def test_a_clock_below_what_the_cores_can_is_held_back(files, cores):
    cpu = "/sys/devices/system/cpu/cpu3/cpufreq"
    files.update({f"{cpu}/scaling_cur_freq": "900000", "/sys/class/thermal/thermal_zone0/temp": "41500"})
    files["/sys/class/thermal/thermal_zone1/temp"] = "3"  # no temperature of a running machine
    one = runner.Cpu(1, [])
    assert one.state() == {"mhz": 900.0, "celsius": 41.5, "throttled": None}
    files.update({f"{cpu}/scaling_max_freq": "1000000", f"{cpu}/cpuinfo_max_freq": "1000000"})
    assert one.state()["throttled"] is False
    files[f"{cpu}/scaling_max_freq"] = "900000"
    assert one.state()["throttled"] is True


@pytest.mark.parametrize(("firmware", "throttled"), [("50000", False), ("0x50005", True), ("no hexadecimal", None)])
def test_a_raspberry_pi_tells_of_now_in_its_low_bits(firmware, throttled, files, cores):
    files["/sys/devices/platform/soc/soc:firmware/get_throttled"] = firmware
    assert runner.Cpu(1, []).state()["throttled"] is throttled


def test_a_clock_is_known_only_where_that_of_every_core_is(files, cores):
    files["/proc/cpuinfo"] = "processor\t: 2\ncpu MHz\t\t: 1000.0\nprocessor\t: 3\ncpu MHz\t\t: 2000.0\n"
    assert runner.Cpu(2, []).state()["mhz"] == 1500.0
    assert runner.Cpu(2, [1, 2]).state()["mhz"] is None


def test_models_are_loaded_timed_and_given_back(asked):
    one = runner.Runner(asked(arguments=["0.5"], cores=[1]))
    assert {**one.describe(), "runtime": "plain", "version": "1", "cores": [1], "threads": 1} == one.describe()
    assert one.answer({"do": "load", "key": "a", "path": "p"}) == {}
    assert one.answer({"do": "time", "visits": [["a", 2], ["a", 1]]}) == {"seconds": [[0.5, 0.5], [0.5]]}
    model = one.models["a"]
    assert one.answer({"do": "unload", "key": "a"}) == {}
    assert (model.closed, one.models) == (True, {})
    assert set(one.answer({"do": "state"})) == {"mhz", "celsius", "throttled"}
    with pytest.raises(KeyError):
        one.answer({"do": "unload", "key": "a"})
    with pytest.raises(ValueError, match="no such request: dance"):
        one.answer({"do": "dance"})


def test_operators_are_told_by_backends_that_can(asked):
    request = {"do": "breakdown", "path": "p", "repeats": 3}
    with pytest.raises(ValueError, match="plain does not tell the time of an operator"):
        runner.Runner(asked()).answer(request)
    more = runner.Runner(asked(BACKEND.replace("class Model:", TELLS_MORE + "class Model:")))
    assert more.answer(request) == {"operators": [["p", 3]], "peak_bytes": 7}
    assert (more.describe()["precision"], more.describe()["model"]) == ("float16", "own")


def test_operators_on_a_cpu_are_told_by_a_runner_of_its_own(asked, monkeypatch):
    def run(command, **options):
        assert command[1:] == [runner.__file__, "--alone", "--threads", "2", "plain.py"]
        assert json.loads(options["input"]) == request
        return SimpleNamespace(stdout=b'{"model": "m"}\n{"operators": [], "peak_bytes": null}\n')

    request = {"do": "breakdown", "path": "p", "repeats": 3}
    one = runner.Runner(asked(alone=False))
    monkeypatch.setattr(runner.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["runner.py", "--threads", "2", "plain.py"])
    assert one.answer(request) == {"operators": [], "peak_bytes": None}


def test_a_gpu_is_asked_in_place_of_the_cpu_and_a_chooser_for_cores(asked, tmp_path):
    gpu, chooser = tmp_path / "gpu.py", tmp_path / "chooser.py"
    gpu.write_text(
        "class Gpu:\n    def __init__(self, backend): pass\n    def describe(self): return {'model': 'GPU'}\n"
    )
    chooser.write_text("def choose(threads): return [0], 'as asked'\n")
    there = runner.Runner(asked(gpu=str(gpu), alone=False))
    assert (there.describe()["model"], there.in_this_process) == ("GPU", True)
    told = runner.Runner(asked(chooser=str(chooser))).describe()
    assert (told["cores"], told["cores_reason"]) == ([0], "as asked")


def test_files_that_are_no_backend_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "backend", None)
    with pytest.raises(ImportError, match="is no Python file"):
        runner.load_file(str(tmp_path / "backend.txt"))
    (tmp_path / "lacks.py").write_text("import a_runtime_that_is_not_there\n")
    with pytest.raises(ImportError, match="lacks what the runtime needs: No module named 'a_runtime"):
        runner.load_file(str(tmp_path / "lacks.py"))


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("two\n lines"), "two lines"), (ValueError(), "ValueError:"), (KeyError("a"), "KeyError: 'a'")],
)
def test_an_error_is_one_line_after_its_type_unless_foreseen(error, line):
    assert runner.one_line(error) == line


def test_a_command_line_is_read(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["runner.py", "--threads", "4", "--cores", "0,2", "b.py", "cpu", "--more"])
    asked = runner.arguments()
    assert (asked.threads, asked.cores, asked.backend, asked.arguments) == (4, [0, 2], "b.py", ["cpu", "--more"])
    assert (asked.alone, asked.gpu, asked.chooser) == (False, None, None)


@pytest.fixture
def conversation(asked, monkeypatch):
    """A function that gives the runner's replies to requests. The streams of this process stay what they are."""

    own, others = os.path.dirname(os.path.abspath(runner.__file__)), list(sys.path)

    def converse(options, *requests, first=True):
        answers = io.StringIO()
        monkeypatch.setattr(runner.os, "dup", lambda number: number)
        monkeypatch.setattr(runner.os, "dup2", lambda *_: None)
        monkeypatch.setattr(runner.os, "fdopen", lambda *_: answers)
        monkeypatch.setattr(gc, "disable", lambda: None)
        monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
        monkeypatch.setattr(sys, "path", [*([own] if first else []), *others])
        monkeypatch.setattr(sys, "argv", ["runner.py", *options, asked().backend])
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{request}\n" for request in requests)))
        runner.main()
        assert sys.path == others
        return [json.loads(line) for line in answers.getvalue().splitlines()]

    return converse


def test_each_line_is_answered_by_one_whatever_it_is(conversation):
    greeting, *replies = conversation(
        ["--cores", "2"],
        '{"do": "load", "key": "a", "path": "none"}',
        "no JSON",
        '{"do": "load", "key": "a", "path": "p"}',
        '{"do": "time", "visits": [["a", 1]]}',
    )
    assert (greeting["runtime"], greeting["cores"]) == ("plain", [2])
    assert replies[0] == {"error": "OSError: no file"}
    assert replies[1]["error"].startswith("Expecting value")
    assert replies[2:] == [{}, {"seconds": [[1.0]]}]


def test_a_runner_that_cannot_start_says_why_and_ends(conversation):
    (only,) = conversation(["--threads", "9"], '{"do": "state"}', first=False)
    assert only == {"error": "cannot run 9 threads: this machine gives 4 cores, so ask for as many at most"}
