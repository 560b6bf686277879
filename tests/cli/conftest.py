"""A command line, and tables for it."""

import sys
from dataclasses import replace

import pytest

from hwnas import cli
from hwnas.latency import tables


@pytest.fixture
def hwnas(monkeypatch, capsys, tmp_path):
    """A function that runs a command line in an empty folder: (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["hwnas", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(hwnas, tmp_path):
    """A function that runs a command line which must end in one line, exit code 2 and all files as before."""

    def contents():
        return {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}

    def run(*words):
        before = contents()
        code, printed, errors = hwnas(*words)
        assert (code, printed) == (2, ""), errors
        assert contents() == before
        assert errors.startswith("hwnas: ")
        assert len(errors.splitlines()) == 1
        return errors

    return run


@pytest.fixture
def no_packaged(monkeypatch, tmp_path):
    """No tables but those of the current folder."""
    monkeypatch.setattr(tables, "PACKAGED", tmp_path / "none")


@pytest.fixture
def measured(made_up_table):
    """A table whose networks have intervals too, as a profile writes it."""
    table = made_up_table()
    ms = table.networks.ms
    low, high = (tuple(factor * value for value in ms) for factor in (0.99, 1.01))
    halves = tuple(zip(low, high, strict=True))
    return replace(table, networks=replace(table.networks, low=low, high=high, halves=halves))
