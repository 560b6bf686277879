"""The rooms of the house: what may import what, no circles, no file too long, nothing heavy where it must be light."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import hwnas

ROOT = Path(hwnas.__file__).parent
BASE = (
    "errors",
    "files",
    "progress",
    "interrupt",
    "output",
    "references",
    "threads",
    "workers",
    "config",
    "clock",
    "logs",
    "install",
    "lazy",
)
ORDER = (
    "space",
    "devices",
    "nn",
    "latency",
    "accuracy",
    "strategies",
    "training",
    "deploy",
    "search",
    "compare",
    "report",
    "pipeline",
    "cli",
)
"""From the ground up: a room imports itself and those before it; the base imports no room."""

HEAVY = {"torch", "torchvision", "timm", "onnxscript", "plotly"}
FORBIDDEN = {"space": HEAVY | {"onnx", "onnxruntime"}, "devices": HEAVY, "latency": HEAVY}
"""What must not be loaded when a module of a room is imported."""

PROGRAMS = ("torch_backend",)
"""Files that a device runs in a process of its own, and that may import anything: nothing here imports them."""

LINES = 250


@cache
def modules() -> dict[str, Path]:
    """Every module of hwnas by name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """The room of a module: "" for the base and the package itself."""
    part = (*module.split("."), "")[1]
    return part if part in ORDER or part == "testing" else ""


def imported(name: str, path: Path, *, everywhere: bool) -> set[str]:
    """The modules that a file imports: when it is imported itself, or `everywhere`, in its functions too.

    What is under `if TYPE_CHECKING:` is for the type checker, and counts `everywhere` alone.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if (inside or typing) and not everywhere:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.update(
                f"{module}.{alias.name}" if f"{module}.{alias.name}" in modules() else module for alias in node.names
            )
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_its_own_room_and_those_below(name):
    mine = room(name)
    if mine == "testing" or name in ("hwnas", "hwnas.__main__"):
        return
    allowed = ORDER[: ORDER.index(mine) + 1] if mine else ()
    ours = {other for other in imported(name, modules()[name], everywhere=True) if other in modules()}
    assert not [other for other in ours if other.endswith(PROGRAMS)], f"{name} imports a program of a device"
    others = {room(other) for other in ours}
    assert mine != "nn" or "devices" not in others, f"{name} imports from devices, which have no torch"
    assert others <= {*allowed, ""}, f"{name} imports from {sorted(others - {*allowed, ''})}"


def test_the_base_is_listed():
    found = {name.split(".")[1] for name in modules() if not room(name) and "." in name and name != "hwnas.__main__"}
    assert found <= {*BASE, "version"}, f"not a room, nor known to be of the base: {sorted(found - {*BASE, 'version'})}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        name: {other for other in imported(name, path, everywhere=False) if other in modules() and other != name}
        for name, path in modules().items()
        if path.name != "__init__.py"
    }
    list(TopologicalSorter(graph).static_order())  # raises CycleError naming the circle


@pytest.mark.parametrize("name", [name for name in sorted(modules()) if room(name) in FORBIDDEN])
def test_light_rooms_import_nothing_heavy(name):
    loaded = {other.split(".")[0] for other in imported(name, modules()[name], everywhere=False)}
    heavy = loaded & FORBIDDEN[room(name)]
    assert not heavy or name.endswith(PROGRAMS), f"{name} imports {sorted(heavy)}"


def test_no_file_is_longer_than_one_idea():
    long = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert not {name: lines for name, lines in long.items() if lines > LINES}


def test_importing_hwnas_loads_nothing_heavy():
    script = "import sys, hwnas; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = set(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split())
    assert "hwnas" in loaded
    assert not loaded & (HEAVY | {"onnxruntime", "onnx"})
