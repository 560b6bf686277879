"""A search of seconds, for tests: by a made-up table, on a folder of small images."""

from hwnas.latency.table import load
from hwnas.pipeline.search import search
from hwnas.space import registry
from hwnas.strategies.schedule import Schedule

WEIGHTS = {"warmup_steps": 1, "steps": 24, "batch_size": 8}
FINALISTS = {"count": 2, "measuring_seconds": 0.5}
OFTEN = {"checkpoint_seconds": 0}
"""To be added where each step is to have its checkpoint, which takes longer than the step."""
SCHEDULE = Schedule(**WEIGHTS)


def bounds(table):
    return table.predictor(registry.get(table.space, table.classes)).range()


def latency_within(table, share=0.3):
    fastest, slowest = bounds(load(table))
    return fastest + share * (slowest - fastest)


def quick(table, ms, images, out, **settings):
    """The result of a short search, of two finalists; an evaluator needs no weights."""
    weights = settings.pop("weights", {})
    if settings.get("evaluator") is None:
        settings["weights"] = {**WEIGHTS, **weights}
    finalists = {**FINALISTS, **settings.pop("finalists", {})}
    return search(table, ms, images, out=out, finalists=finalists, threads=1, progress=None, **settings)
