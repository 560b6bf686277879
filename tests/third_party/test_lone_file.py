"""A lone `my.py` goes through every stage by references, and runs only where the caller names it."""

import shutil
from pathlib import Path

import pytest
from stages import Stranger, run_all

HERE = Path(__file__).parent


@pytest.fixture
def stranger(tmp_path):
    """A folder with `my.py`, and the device that runs models by it."""
    shutil.copy(HERE / "my.py", tmp_path)
    (tmp_path / "devices").mkdir()
    shutil.copy(HERE / "mine.yaml", tmp_path / "devices")
    return Stranger(tmp_path, allow=["my.py:Unoptimised"])


def test_all_stages(stranger, images, accuracies):
    run_all(stranger, "my.py:space", "my.py:Climb", "my.py:Excess", "mine", images, accuracies)
    (stranger.folder / "my.py").write_text("raise SystemExit('it ran')\n")
    for words in (
        ("predict", "--table", "table.json", "--arch", "0-0-0-0"),
        ("tables", "show", "table.json"),
        ("verify", "export/mine", "--data", images),
    ):
        assert "--allow" in stranger.refusal(*words)


def test_the_tests_in_three_lines_pass(stranger):
    import subprocess
    import sys

    shutil.copy(HERE / "test_my.py", stranger.folder)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my.py"]
    done = subprocess.run(command, cwd=stranger.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
