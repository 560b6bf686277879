"""A missing package names the extra that brings it."""

import sys

import pytest

from hwnas.install import EXTRAS, missing_extra, require
from hwnas.testing import refused


def test_what_is_installed_is_imported():
    assert require("json.decoder").__name__ == "json.decoder"


@pytest.mark.parametrize(("module", "package"), [("timm.optim", "timm"), ("asyncssh", "asyncssh")])
def test_a_missing_package_names_its_extra(monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with refused("install.missing", package=package, extra=EXTRAS[package]) as refusal:
        require(module)
    assert f"pip install 'hwnas[{EXTRAS[package]}]'" in refusal.message


def test_a_package_of_no_extra_is_an_error_of_the_program():
    with pytest.raises(ModuleNotFoundError):
        require("no_such_package")
    assert missing_extra(ModuleNotFoundError("no", name="no_such_package")) is None
