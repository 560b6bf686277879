"""A search of seconds, for tests: by a made-up table, on a folder of small images."""

from hwnas.latency.table import load
from hwnas.pipeline.search import search
from hwnas.space import registry
from hwnas.strategies.loops import Schedule

SCHEDULE = Schedule(warmup_steps=1, steps=24, batch_size=8, checkpoint_seconds=0)


def bounds(table):
    return table.predictor(registry.get(table.space, table.classes)).range()


def budget(table, share=0.3):
    fastest, slowest = bounds(load(table))
    return fastest + share * (slowest - fastest)


def quick(table, ms, images, out, schedule=SCHEDULE, **options):
    return search(table, ms, images, out=out, schedule=schedule, finalists=2, threads=1, measuring_seconds=2, **options)
