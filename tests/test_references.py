"""References: what each kind stands for, and that a file's word runs no code."""

import sys
from pathlib import Path

import pytest

from hwnas import references
from hwnas.references import allow, names, resolve
from hwnas.testing import refused

BUILTIN = {"one": 1, "lazy": "math:pi"}


def get(reference: str, trusted: bool = True, **more):
    return resolve("strategies", reference, BUILTIN, trusted=trusted, **more)


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch) -> Path:
    """A package that declares two strategies, on `sys.path`."""
    (tmp_path / "strangers_part.py").write_text("mine = 'of a package'\n")
    info = tmp_path / "strangers_part-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers-part\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[hwnas.strategies]\nmine = strangers_part:mine\none = strangers_part:mine\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("strangers_part", None)


def test_a_built_in_name_is_found_lazily_and_trusted_from_a_file():
    assert (get("one", trusted=False).value, get("one").kind) == (1, "built-in")
    assert 3.1 < get("lazy").value < 3.2


def test_a_module_and_a_file_are_found_by_attribute_and_stored_as_given(here):
    (here / "my.py").write_text("class Outer:\n    inner = 7\n")
    found = get("my.py:Outer.inner")
    assert (found.value, found.reference, found.kind) == (7, "my.py:Outer.inner", "file")
    assert get(f"{here}/my.py:Outer").value is get("my.py:Outer").value, "one file is loaded once"
    assert (get("os.path:sep").value, get("os.path:sep").kind) == ("/", "module")


def test_a_changed_file_is_loaded_again(here):
    (here / "my.py").write_text("x = 1\n")
    assert get("my.py:x").value == 1
    (here / "my.py").write_text("x = 23\n")
    assert get("my.py:x").value == 23


def test_an_entry_point_is_found_by_name_even_where_a_file_names_it(installed, caplog):
    assert (get("mine", trusted=False).value, get("mine").kind) == ("of a package", "entry point")
    references._say_built_in_wins.cache_clear()
    assert get("one").value == 1
    assert get("one").value == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"], "a clash is said once"
    assert names("strategies", BUILTIN) == ("one", "lazy", "mine")


def test_a_name_that_two_packages_declare_is_ambiguous(installed):
    info = installed / "another-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hwnas.strategies]\nmine = another:mine\n")
    references._scan.cache_clear()
    with refused("reference.ambiguous", reference="mine"):
        get("mine")
    references._scan.cache_clear()


def test_what_a_file_names_runs_only_when_the_caller_repeats_it(here):
    (here / "my.py").write_text("open('ran', 'w').close()\nx = 1\n")
    with refused("reference.not-allowed", reference="my.py:x") as refusal:
        get("my.py:x", trusted=False)
    assert "--strategy my.py:x" in refusal.message
    assert not (here / "ran").exists()
    with refused("reference.not-allowed"):
        get("os:sep", trusted=False)
    with allow("./my.py:y"), refused("reference.not-allowed"):
        get("my.py:x", trusted=False)
    with allow(str(here / "my.py") + ":x"):
        assert get("my.py:x", trusted=False).value == 1
    with refused("reference.not-allowed"):
        get("my.py:x", trusted=False)


def test_an_unknown_name_says_the_nearest_and_all():
    with refused("reference.unknown", group="strategies", reference="lasy", known=("one", "lazy")) as refusal:
        get("lasy")
    assert "did you mean lazy?" in refusal.message


def test_what_is_missing_is_said(here):
    (here / "my.py").write_text("wide = 1\n")
    with refused("reference.not-found"):
        get("none.py:x")
    with refused("reference.not-found"):
        get("no_such_package.module:x")
    with refused("reference.no-such-attribute") as refusal:
        get("my.py:wider")
    assert "did you mean wide?" in refusal.message
    with refused("reference.no-such-attribute"):
        get("my.py")
    with refused("reference.wrong-kind", found="int"):
        get("my.py:wide", accepts=callable)


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("x = 1\n\nraise OSError('two\\nlines')\n", "OSError", 3),
        ("x = (\n", "SyntaxError", 1),
        ("import sys\nsys.exit(3)\n", "SystemExit", 2),
        ("import no_such_module\n", "ModuleNotFoundError", 1),
    ],
)
def test_a_file_that_fails_is_one_line_with_the_type_and_the_place(here, text, kind, line):
    (here / "my.py").write_text(text)
    with refused("reference.broken", error=kind, line=line):
        get("my.py:x")
