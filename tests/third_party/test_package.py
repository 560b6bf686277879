"""A package with entry points is built, installed, and goes through every stage by the names that it declares."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stages import Stranger, run_all

HERE = Path(__file__).parent
DEVICE = """
schema: 1
name: swift-cpu
transport: {kind: local}
runtime: {kind: swift-onnxruntime, threads: 1}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder in which the package is installed, from a copy of its sources and without a network."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(HERE / "package", folder / "sources")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
           "--target", str(folder / "site"), str(folder / "sources")]  # fmt: skip
    subprocess.run(pip, check=True, capture_output=True)
    return folder / "site"


@pytest.fixture
def stranger(site, tmp_path):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "swift-cpu.yaml").write_text(DEVICE)
    return Stranger(tmp_path, site)


def test_all_stages(stranger, images, accuracies):
    run_all(stranger, "swift", "swift-mutation", "swift-excess", "swift-cpu", images, accuracies)


def test_names_are_listed_and_need_no_permission(stranger):
    listed = json.loads(stranger.run("spaces", "--json").stdout)
    assert listed[-1]["name"] == "swift"
    listed = json.loads(stranger.run("strategies", "--json").stdout)
    assert "swift-mutation" in [row["name"] for row in listed]


def test_without_the_package_its_names_are_unknown(stranger):
    stranger.site = None
    assert "no search space 'swift'" in stranger.refusal("spaces", "check", "swift")
