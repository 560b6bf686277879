"""Spaces by reference: what each kind stands for, and what is refused."""

from pathlib import Path

import pytest

from hwnas.references import allow
from hwnas.space import registry
from hwnas.testing import refused

CODE = """
from hwnas.space.registry import get
fixed = get("nas-bench-macro-16")
def space(classes=10):
    return get("nas-bench-macro-16", classes)
def heedless(classes=10):
    return fixed
def wrong(classes=10):
    return 3
def failing(classes=10):
    raise KeyError("x")
number = 4
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(CODE)
    return tmp_path


def test_a_space_of_a_file_is_called_by_its_reference_and_is_otherwise_the_same():
    built_in = registry.get("nas-bench-macro-16", 7)
    for reference, classes in (("my.py:space", 7), ("my.py:fixed", None), ("my.py:fixed", 10)):
        space = registry.get(reference, classes, trusted=True)
        assert space.name == reference
        assert space.classes == (classes or 10)
    assert registry.get("my.py:space", 7, trusted=True).fingerprint == built_in.fingerprint
    assert registry.get("hwnas.space.layerwise:spos", trusted=True).fingerprint == registry.get("spos").fingerprint


def test_a_file_that_names_a_space_resolves_it_only_if_the_caller_repeats_it(here):
    (here / "tiny.yaml").write_text(TINY)
    for reference in ("my.py:space", "tiny.yaml", "hwnas.space.layerwise:spos"):
        with refused("reference.not-allowed", reference=reference) as refusal:
            registry.get(reference)
        assert f"--space {reference}" in refusal.message
        with allow(reference):
            assert registry.get(reference).name == reference
    assert registry.get("spos").name == "spos"


TINY = """
schema: 1
name: tiny
resolution: 16
classes: 4
stem: {channels: 8}
stages: [{channels: 8, kernels: [3, 5]}]
"""


def test_what_is_no_space_is_refused():
    with refused("reference.unknown", group="spaces", reference="fbnot"):
        registry.get("fbnot", trusted=True)
    with refused("reference.wrong-kind", reference="my.py:number", found="int"):
        registry.get("my.py:number", trusted=True)
    with refused("reference.wrong-kind", reference="my.py:wrong", found="int"):
        registry.get("my.py:wrong", trusted=True)
    with refused("reference.broken", error="KeyError"):
        registry.get("my.py:failing", trusted=True)
    with refused("space.classes", space="my.py:heedless", classes=7):
        registry.get("my.py:heedless", 7, trusted=True)
    with refused("space.classes", space="spos", classes=1):
        registry.get("spos", 1, trusted=True)
