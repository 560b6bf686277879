"""Ten bad inputs of every command, such as a user gives by mistake: each is one line that names what is wrong, exit
code 2, and no file is changed."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwnas.files import write_json
from hwnas.space.net import Block, Net

NET = Net((Block("conv", 3, 8, 32, 32, 3, 2, act="relu"), Block("classifier", 8, 3, 16, 16)), "tiny")

COMMANDS = [
    "compare", "data", "demo", "devices", "export", "measure", "predict", "profile", "recipes", "search", "spaces",
    "strategies", "tables", "train", "verify", "zoo",
]  # fmt: skip

EVEN = """
schema: 1
name: even
source: this test
resolution: 16
classes: 2
activation: relu
stem: {channels: 8, stride: 2}
each: {kernels: [4], expansions: [1, 2], skip: true}
stages:
  - {channels: 8, layers: 2, stride: 2}
head: {channels: 16}
"""

FILES = {
    "empty.json": "",
    "other.json": '{"a": 1}',
    "list.json": "[1, 2]",
    "newer.json": '{"schema": 99}',
    "cut.yaml": "a: [1, 2\n b: }",
    "list.yaml": "- 1\n- 2\n",
    "typo.yaml": "schema: 1\nname: x\ntransport: {kind: ssh, hots: pi}\n",
    "kind.yaml": "schema: 1\nname: x\ntransport: {kind: shh, host: pi}\n",
    "threads.yaml": "schema: 1\nname: x\nruntime: {kind: onnxruntime, threads: -2}\n",
    "user.yaml": "schema: 1\nname: x\ntransport: {kind: ssh, host: pi, user: a b}\n",
    "search.yaml": "table: t.json\nlatency_ms: 5\nstategy: random\n",
    "train.yaml": "net: net.json\nlrr: 2\n",
    "broken.py": "x = 1\nsyntax error here\n",
    "folder/note.txt": "mine",
    "labels.csv": "a.png,cat\nb.png,dog\n",
    "half.csv": "path,label\npicture.png\n",
    "words.jsonl": "picture.png\n",
    "shards/index.json": "{}",
    "shards/places.safetensors": "",
    "damaged/train.json": "{",
    "other/train.json": "{}",
    "even.yaml": EVEN,
    "mine.py": "def f():\n    raise ValueError('boom')\n",
}
"""Files of the wrong kind, by name."""

ARCH = "-".join(["0"] * 9)
"""An architecture of the table's space."""

ROWS = [row for row in (Path(__file__).parent / "bad_inputs.txt").read_text().splitlines() if row]
"""A command line, and after a bar what its one line of error says; ARCH is an architecture of the table's space."""


@pytest.fixture
def files(tmp_path, made_up_table):
    """The files and folders that the rows name, in the current folder."""
    made_up_table().save(tmp_path / "t.json")
    table = (tmp_path / "t.json").read_text()
    write_json(tmp_path / "net.json", NET.to_json())
    write_json(tmp_path / "small.json", {**NET.to_json(), "blocks": [{**NET.to_json()["blocks"][0], "kernel": -1}]})
    (tmp_path / "cut.json").write_text(table[:500])
    (tmp_path / "changed.json").write_text(table.replace("2026-01-01", "2026-01-02"))
    (tmp_path / "binary.json").write_bytes(bytes(range(256)))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "picture.png")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "bare").mkdir()
    for name in ("loop", "loop.yaml"):
        (tmp_path / name).symlink_to(name)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("row", ROWS)
def test_a_bad_input_is_one_line_that_names_it(refused, row):
    words, _, said = row.replace("ARCH", ARCH).partition(" | ")
    assert said in refused(*shlex.split(words))


def test_every_command_has_ten_rows():
    rows = [row.split(" ")[0] for row in ROWS]
    assert all(rows.count(command) >= 10 for command in COMMANDS)
