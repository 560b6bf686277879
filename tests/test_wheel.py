"""The wheel holds all that a demo far from the sources needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import hwnas

ROOT = Path(hwnas.__file__).parent


def test_the_wheel_holds_every_module_and_the_data(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT.parent)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    ours = {str(Path("hwnas") / path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()}
    assert {name for name in ours if "__pycache__" not in name} <= inside
    assert any(name.endswith("train-images-idx3-ubyte.gz") for name in inside)
    assert not any(name.startswith(("tests", "benchmarks", "export", "latency_tables")) for name in inside)
