"""Progress goes to a person, to a program, or nowhere."""

import sys

import pytest

from hwnas.progress import ProgressEvent, show_progress


def test_a_callable_gets_every_event():
    events = []
    with show_progress("train", 3, events.append) as report:
        report(1)
        report(3, "loss 0.1")
    assert events == [ProgressEvent("train", 1, 3), ProgressEvent("train", 3, 3, "loss 0.1")]


def test_what_a_callable_raises_ends_the_stage():
    def stop(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), show_progress("train", 3, stop) as report:
        report(1)


@pytest.mark.parametrize("to", [True, False, None])
def test_nothing_is_shown_but_on_a_terminal(capsys, to):
    with show_progress("train", 3, to) as report:
        report(1, "loss 0.1")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("to", "shown"), [(True, True), (False, False), (None, False)])
def test_a_terminal_shows_a_bar_unless_told_not_to(capsys, monkeypatch, to, shown):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with show_progress("train", 3, to) as report:
        report(2, "loss 0.1")
    out, errors = capsys.readouterr()
    assert out == ""
    assert ("loss 0.1" in errors and "2/3" in errors) == shown
