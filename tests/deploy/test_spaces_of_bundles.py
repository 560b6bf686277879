"""The space that a bundle names: read from a run, and told where it is not known here or is another now."""

import json

import pytest

from hwnas.deploy.target import read_space
from hwnas.deploy.verify import _notes
from hwnas.space import registry
from hwnas.space.registry import SpaceIdentity

KNOWN = registry.get("proxyless-32", 3)
IDENTITY = SpaceIdentity("proxyless-32", 3, KNOWN.fingerprint)


def test_a_space_that_is_as_it_was_needs_no_note():
    assert _notes(IDENTITY) == _notes(None) == ()


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (SpaceIdentity("proxyless-32", 3, "other"), "is another space than it was"),
        (SpaceIdentity("no-such-space", 3, "other"), "no-such-space"),
    ],
)
def test_a_space_that_is_not_as_it_was_is_noted(space, words):
    (note,) = _notes(space)
    assert note.startswith("space: ")
    assert words in note


@pytest.mark.parametrize(
    "record",
    [None, [], {}, {"space": "proxyless-32"}, {"space": "proxyless-32", "classes": 0, "fingerprint": "a"}],
)
def test_a_run_that_does_not_tell_its_space_has_none(record, tmp_path):
    if record is not None:
        (tmp_path / "search.json").write_text(json.dumps(record))
    assert read_space(tmp_path) is None


def test_a_run_tells_its_space(tmp_path):
    record = {"space": "proxyless-32", "classes": 3, "fingerprint": KNOWN.fingerprint, "more": 1}
    (tmp_path / "search.json").write_text(json.dumps(record))
    assert read_space(tmp_path) == IDENTITY
