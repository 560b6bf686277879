"""Modules that are imported when first named, so that `hwnas.space.zoo` works and `import hwnas` stays light."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def submodules(package: str, folder: list[str]) -> tuple[Callable[[str], ModuleType], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for the `package` whose `__path__` is `folder`: each of its modules is imported when
    it is first named."""
    there = sorted(module.name for module in iter_modules(folder) if not module.name.startswith("_"))

    def get(name: str) -> ModuleType:
        if name not in there:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return import_module(f"{package}.{name}")

    def names() -> list[str]:
        return sorted({*there, *getattr(import_module(package), "__all__", ())})

    return get, names
