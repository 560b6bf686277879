"""The helpers of `hwnas.testing` that others' tests use."""

import os

import pytest

from hwnas.errors import InputError
from hwnas.testing import refused
from hwnas.testing.runtimes import _is_alive
from hwnas.testing.toys import SPACES, Linear


@pytest.mark.parametrize(
    ("code", "value", "words"),
    [("a.other", 1, "wrong"), ("a.code", 2, "wrong"), ("a.code", 1, "two\nlines")],
)
def test_another_refusal_than_the_one_expected_fails(code, value, words):
    with pytest.raises(AssertionError, match=r"refused by a\.code"), refused(code, value=value):
        raise InputError(words, code="a.code", value=1)


def test_what_is_not_refused_fails():
    with pytest.raises(AssertionError, match=r"nothing was refused: a\.code was expected"), refused("a.code"):
        pass


def test_no_architecture_has_no_cost():
    space = SPACES["independent"]
    toy = Linear(space)
    assert toy.cost([]).shape == (0,)
    assert toy.cost([space.smallest])[0] == toy.score(space.smallest)


def test_this_process_is_alive():
    assert _is_alive(os.getpid())
