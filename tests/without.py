"""Run `hwnas` as where the packages of its extras are not installed: `python without.py PACKAGE,PACKAGE WORDS...`."""

import sys


class Missing:
    """A finder that has none of these packages."""

    def __init__(self, packages):
        self.packages = packages

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing(sys.argv.pop(1).split(",")))

from hwnas.cli import main  # noqa: E402

main()
