"""Hardware-aware neural architecture search: profile a device, search under its latency, export a verified model.

Every stage is a function of the same name as its command: `hwnas.profile`, `hwnas.search`, `hwnas.train`,
`hwnas.export`, `hwnas.verify`, `hwnas.demo`, `hwnas.measure`, `hwnas.predict` and `hwnas.compare`. They are imported
when first used, so that `import hwnas` loads neither torch nor onnxruntime.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import logs as _logs  # noqa: F401  it sets up the logger, silently

if TYPE_CHECKING:
    from .pipeline.compare import compare
    from .pipeline.demo import demo
    from .pipeline.export import export
    from .pipeline.measure import measure
    from .pipeline.predict import predict
    from .pipeline.profile import profile
    from .pipeline.search import search
    from .pipeline.train import train
    from .pipeline.verify import verify

__all__ = ["compare", "demo", "export", "measure", "predict", "profile", "search", "train", "verify"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".pipeline.{name}", __name__), name)
