"""A tiny model, and a phone: not a real one, but behind the protocol that a real one is behind."""

import sys
from pathlib import Path

import pytest
from fake_phone import fake_phone, program

from hwnas.devices import process
from hwnas.latency.graph import save
from hwnas.space.net import Block


@pytest.fixture
def adb(tmp_path, monkeypatch):
    """An adb server with one phone. A broken connection is made again at once."""
    pytest.importorskip("adbutils", reason="phones need adbutils")
    monkeypatch.setattr(process, "WAITS", (0.0, 0.0))
    with fake_phone(tmp_path / "phone") as server:
        yield server


@pytest.fixture
def perf_test(adb):
    """The path on the phone of a stand-in for onnxruntime's program."""
    source = Path(__file__).with_name("stand_in_perf.py").read_text()
    return str(program(adb.folder, "onnxruntime_perf_test", f"#!{sys.executable}\n{source}"))


@pytest.fixture
def model(tmp_path):
    """The file of a tiny model."""
    block = Block("mbconv", 4, 4, 6, 6, 3, expansion=2, act="relu6", residual=True)
    return save(block, tmp_path / "model.onnx")
