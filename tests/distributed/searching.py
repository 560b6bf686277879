"""The stage as a program of any number of ranks that writes a checkpoint after every step.

torchrun --nproc-per-node 2 searching.py TABLE MS IMAGES OUT
"""

import sys

import hwnas
from hwnas.strategies.schedule import Schedule

SCHEDULE = Schedule(warmup_steps=1, steps=11, batch_size=8, checkpoint_seconds=0, synchronised=True)


def search(table, ms, images, out):
    weights = SCHEDULE.model_dump(exclude_unset=True)
    strategy = {"name": "proxyless", "lr": 0.2}
    return hwnas.search(
        table, ms, images, out=out, strategy=strategy, weights=weights, finalists=3, threads=1, measure=False
    )


if __name__ == "__main__":
    search(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
