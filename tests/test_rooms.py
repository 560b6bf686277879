"""Imports go one way, and `import hwnas` is light."""

import ast
import subprocess
import sys
from pathlib import Path

import hwnas

ROOT = Path(hwnas.__file__).parent
ORDER = ["space", "nn", "devices", "latency", "strategies", "training", "deploy", "pipeline", "cli"]
BASE = {"errors", "files", "interrupt", "output", "progress"}
FORBIDDEN = {"space": {"torch", "onnx", "onnxruntime"}, "devices": {"torch"}}
PROGRAMS = {"torch_runner.py"}
"""Files that a device runs in a process of its own, and that may import anything: nothing here imports them."""


def imports(path: Path) -> set[str]:
    """Absolute names of what the file imports anywhere, relative imports resolved."""
    package = ["hwnas", *path.relative_to(ROOT).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] + ([node.module] if node.module else [])
            found |= {".".join([*base, alias.name]) for alias in node.names} if not node.module else {".".join(base)}
    return found


def test_every_room_imports_only_rooms_before_it():
    seen = 0
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        for name in imports(path):
            assert f"{name.split('.')[-1]}.py" not in PROGRAMS, f"{path} imports {name}"
            if name.split(".")[0] != "hwnas" or name == "hwnas":
                allowed = path.name in PROGRAMS or name.split(".")[0] not in FORBIDDEN.get(room, ())
                assert allowed, f"{path} imports {name}"
                continue
            other = name.split(".")[1]
            seen += 1
            if room in BASE:
                assert other in BASE, f"{path} imports {name}"
            elif other not in BASE:
                assert ORDER.index(other) <= ORDER.index(room), f"{path} imports {name}"
                assert {room, other} != {"nn", "devices"}, f"{path} imports {name}"
    assert seen > 50


def test_import_loads_nothing_heavy():
    code = "import sys, hwnas; sys.exit(bool({'torch', 'onnx', 'onnxruntime', 'tensorrt'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
