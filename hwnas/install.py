"""What a base install lacks: packages of an extra, which are imported where they are used and named when missing."""

from importlib import import_module
from types import ModuleType

from .errors import InputError

EXTRAS = {
    "adbutils": "adb",
    "asyncssh": "ssh",
    "onnxscript": "search",
    "PIL": "search",
    "plotly": "search",
    "tensorboard": "tensorboard",
    "timm": "search",
    "torch": "search",
    "torchvision": "search",
    "webdataset": "search",
}
"""The extra of hwnas that brings each package."""


def require(module: str) -> ModuleType:
    """The module of this name, imported. Raises `InputError` where its package is of an extra that is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from None


def missing_extra(error: ModuleNotFoundError) -> InputError | None:
    """The error that says which extra to install; None where the missing package is of no extra."""
    package = (error.name or "").split(".")[0]
    if package not in EXTRAS:
        return None
    extra = EXTRAS[package]
    return InputError(
        f"this needs {package}, which is not installed: pip install 'hwnas[{extra}]'",
        code="install.missing",
        package=package,
        extra=extra,
    )
