"""Hardware-aware neural architecture search: profile a device, search under its latency, export a verified model.

Every stage is a function of the same name as its command: `hwnas.profile`, `hwnas.search`, `hwnas.train`,
`hwnas.export`, `hwnas.verify`, `hwnas.demo`, `hwnas.measure`, `hwnas.predict` and `hwnas.compare`. The parts under them
are packages, such as `hwnas.space` with `hwnas.space.zoo`. Everything is imported when it is first named, so that
`import hwnas` loads neither numpy nor torch nor onnxruntime.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import logs as _logs  # noqa: F401  it makes the logger silent until it is asked to speak
from .errors import DeviceError, DivergedError, HwnasError, InputError, RankError, VerificationError
from .progress import ProgressEvent

if TYPE_CHECKING:
    from . import accuracy, deploy, devices, latency, nn, references, space, strategies, testing, training
    from .latency.profile import ProfileConfig
    from .pipeline.compare import compare
    from .pipeline.demo import DemoResult, demo
    from .pipeline.export import ExportConfig, ExportResult, export
    from .pipeline.measure import MeasureResult, measure
    from .pipeline.predict import PredictResult, predict
    from .pipeline.profile import ProfileResult, profile
    from .pipeline.search import search
    from .pipeline.train import TrainConfig, TrainResult, train
    from .pipeline.verify import VerifyResult, verify
    from .search.config import SearchConfig
    from .search.record import SearchResult

__version__ = "0.1.0"

_STAGES = {
    "compare": "pipeline.compare",
    "demo": "pipeline.demo",
    "export": "pipeline.export",
    "measure": "pipeline.measure",
    "predict": "pipeline.predict",
    "profile": "pipeline.profile",
    "search": "pipeline.search",
    "train": "pipeline.train",
    "verify": "pipeline.verify",
}
_TYPES = {
    "DemoResult": "pipeline.demo",
    "ExportConfig": "pipeline.export",
    "ExportResult": "pipeline.export",
    "MeasureResult": "pipeline.measure",
    "PredictResult": "pipeline.predict",
    "ProfileConfig": "latency.profile",
    "ProfileResult": "pipeline.profile",
    "SearchConfig": "search.config",
    "SearchResult": "search.record",
    "TrainConfig": "pipeline.train",
    "TrainResult": "pipeline.train",
    "VerifyResult": "pipeline.verify",
}
"""The module of each stage and of each type that a stage takes or returns."""

__all__ = [
    "DemoResult",
    "DeviceError",
    "DivergedError",
    "ExportConfig",
    "ExportResult",
    "HwnasError",
    "InputError",
    "MeasureResult",
    "PredictResult",
    "ProfileConfig",
    "ProfileResult",
    "ProgressEvent",
    "RankError",
    "SearchConfig",
    "SearchResult",
    "TrainConfig",
    "TrainResult",
    "VerificationError",
    "VerifyResult",
    "accuracy",
    "compare",
    "demo",
    "deploy",
    "devices",
    "export",
    "latency",
    "measure",
    "nn",
    "predict",
    "profile",
    "references",
    "search",
    "space",
    "strategies",
    "testing",
    "train",
    "training",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {**_STAGES, **_TYPES}.get(name)
    try:
        if module is None:
            return import_module(f".{name}", __name__)
        return getattr(import_module(f".{module}", __name__), name)
    except ModuleNotFoundError as error:
        from .install import missing_extra

        raise missing_extra(error) or error from None


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", "__doc__", "__file__", "__name__", "__path__"])


class _Package(ModuleType):
    """Keep `hwnas.search` and `hwnas.compare` the stages, which are functions: importing a module of the packages
    hwnas.search and hwnas.compare would make them those packages."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _STAGES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
