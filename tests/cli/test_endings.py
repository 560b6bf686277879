"""How a command ends in this process: its exit code, and one line for each error."""

import os
import sys

import pytest

import hwnas.cli as cli
from hwnas.cli import streams
from hwnas.cli.app import INTERRUPTED
from hwnas.errors import InputError


def ending(monkeypatch, capsys, error: BaseException | None, ended: int = 0) -> tuple[object, str]:
    """The exit code and the words of a command that raises `error`, or returns `ended`."""

    def command(standalone_mode: bool) -> int:
        if error is not None:
            raise error
        return ended

    monkeypatch.setattr(cli, "app", command)
    monkeypatch.setattr(cli, "prepare_streams", lambda: None)
    monkeypatch.setattr(cli, "discard_output", lambda: None)  # the stream of pytest is still needed
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("no such thing", code="a.b"), 2, "hwnas: no such thing\n"),
        (OSError("no space left"), 2, "hwnas: no space left\n"),
        (BrokenPipeError(), 141, ""),
        (RuntimeError("Symlink loop from 'a'"), 2, "hwnas: Symlink loop from 'a': give the folder or file itself\n"),
    ],
)
def test_an_error_ends_with_its_code_and_one_line(monkeypatch, capsys, error, code, words):
    assert ending(monkeypatch, capsys, error) == (code, words)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't allocate memory"), ImportError("failed to map segment")]
)
def test_the_end_of_memory_is_told_in_one_line(monkeypatch, capsys, error):
    code, words = ending(monkeypatch, capsys, error)
    assert (code, words.count("\n")) == (2, 1)
    assert "out of memory" in words


def test_ctrl_c_that_was_returned_ends_as_one_that_was_raised(monkeypatch, capsys):
    returned = ending(monkeypatch, capsys, None, INTERRUPTED)
    assert returned[0] == INTERRUPTED
    assert returned == ending(monkeypatch, capsys, KeyboardInterrupt())


@pytest.mark.parametrize("error", [RuntimeError("a defect"), ModuleNotFoundError("no x", name="x_of_nobody")])
def test_a_defect_keeps_its_traceback(monkeypatch, error):
    def command(standalone_mode: bool) -> int:
        raise error

    monkeypatch.setattr(cli, "app", command)
    monkeypatch.setattr(cli, "prepare_streams", lambda: None)
    with pytest.raises(type(error), match=str(error)):
        cli.main()


def test_only_the_first_rank_says_why(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    assert ending(monkeypatch, capsys, InputError("no such thing", code="a.b")) == (2, "")


def test_a_stream_that_is_missing_becomes_one_that_is_open(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", object())
    streams.prepare_streams()
    with sys.stdin as opened:
        assert (opened.fileno(), opened.readable()) == (0, True)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_descriptor_is_occupied_only_where_it_is_closed(tmp_path, is_open):
    number = 240
    with open(tmp_path / "file", "w") as file:
        os.dup2(file.fileno(), number)
        if not is_open:
            os.close(number)
        streams._occupy(number)
        try:
            same = os.path.samestat(os.fstat(number), os.fstat(file.fileno()))
        finally:
            os.close(number)
    assert same == is_open


def test_output_that_is_discarded_goes_nowhere(tmp_path, monkeypatch):
    with open(tmp_path / "out", "w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        print("kept")
        streams.flush_output()
        streams.discard_output()
        print("gone")
    assert (tmp_path / "out").read_text() == "kept\n"
