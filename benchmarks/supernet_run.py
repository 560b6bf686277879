"""One supernet trained in one way, and how its children score on the way there."""

import time
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shared_norms import answers, norms, shared_blocks
from torch import nn
from torch.nn.functional import cross_entropy

from hwnas.errors import InputError
from hwnas.nn.state import load_state, save_state
from hwnas.nn.supernet import Supernet
from hwnas.progress import Report
from hwnas.space.space import Arch, SearchSpace
from hwnas.strategies.path_samplers.base import PathSampler
from hwnas.strategies.path_samplers.rules import Fair, Sandwich, SandwichConstants, Uniform
from hwnas.strategies.weights import SharedWeights, weight_step
from hwnas.training.batches import Batches
from hwnas.training.data import Dataset, Split
from hwnas.training.inherited import Inherited

CALIBRATION = 1000
"""Training images that a child's own BatchNorm statistics are taken over."""

SHARED_CALIBRATION = 300
"""Batches, each through another random child, that the statistics shared by all children are taken over."""

WARMUP = 0.02
"""Share of the steps in which the learning rate rises."""

CHECKPOINT_SECONDS = 60.0

Scores = dict[str, list[float]]
"""One figure per architecture, the larger the better, for each way to score."""


@dataclass(frozen=True)
class Way:
    """A way to train the weights that architectures inherit.

    `lr` is that of the sum over a step's architectures. With `distil` the first of them teaches the others. With
    `zero_start` the residual branches start at zero, as the supernet is made; else each at full strength.
    """

    rule: str
    lr: float
    distil: bool = False
    zero_start: bool = False
    sharing: str = "separate"
    batch_size: int = 64
    momentum: float = 0.9
    weight_decay: float = 4e-5

    def path_sampler(self, space: SearchSpace, seed: int) -> PathSampler:
        """What each step trains. All that a step runs is decayed, whatever the rule."""
        if self.rule == "sandwich":
            return Sandwich(space, SandwichConstants(distil=self.distil, decay_first=False), seed=seed)
        kind = {"uniform": Uniform, "fair": Fair}[self.rule]
        return kind(space, kind.constants(), seed=seed)


class Run:
    """Training of one supernet for `images`; an image counts once for each architecture that it trains.

    Everything drawn depends on `seed` and the step alone.
    """

    def __init__(self, space: SearchSpace, way: Way, train: Split, dataset: Dataset, images: int, seed: int) -> None:
        self.space, self.way, self.seed, self.train, self.dataset = space, way, seed, train, dataset
        self.supernet = Supernet(space, seed, way.sharing).train()
        if not way.zero_start:
            for norm in norms(self.supernet):
                nn.init.ones_(norm.weight)
        self.batches = Batches(train, dataset, way.batch_size, seed)
        self.plain = Batches(train, dataset, way.batch_size, seed, augment=False)
        self.calibrating = np.random.default_rng((seed, 0, 0)).permutation(len(train))[:CALIBRATION]
        self.optimizer = torch.optim.SGD(
            self.supernet.parameters(), way.lr, way.momentum, weight_decay=way.weight_decay, nesterov=True
        )
        self.shared, self.path_sampler = SharedWeights(self.supernet), way.path_sampler(space, seed)
        self.per_step = way.batch_size * len(self.path_sampler.training_paths(0.0, 0).paths)
        self.steps = images // self.per_step
        self.done, self.seconds = 0, 0.0
        self.identity = repr((space.fingerprint, way, dataset.fingerprint, images, seed))

    def step(self) -> float:
        """One update, at a rate that rises at first and falls to zero along a cosine. Returns the loss before it."""
        progress = self.done / self.steps
        for group in self.optimizer.param_groups:
            group["lr"] = self.way.lr * min(1.0, (progress + 1 / self.steps) / WARMUP) * (1 + cos(pi * progress)) / 2
        training_paths = self.path_sampler.training_paths(progress, self.done)
        loss = weight_step(self.shared, self.optimizer, training_paths, self.batches(self.done))
        self.done += 1
        return loss

    def go_on(self, until: int, checkpoint: Path, report: Report) -> None:
        """Train up to step `until`, saving now and then and at the end."""
        started = saved = time.monotonic()
        before = self.seconds
        while self.done < until:
            loss = self.step()
            now = time.monotonic()
            self.seconds = before + now - started
            if now - saved > CHECKPOINT_SECONDS or self.done == until:
                save_state(checkpoint, self.state_dict())
                saved = now
            report(self.done * self.per_step, f"loss {loss:.2f}")

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, and whose it is."""
        parts = {"supernet": self.supernet.state_dict(), "optimizer": self.optimizer.state_dict()}
        return {"identity": self.identity, "done": self.done, "seconds": self.seconds, **parts}

    def resume(self, checkpoint: Path) -> None:
        """Go on from `checkpoint`, if it exists. Raises `InputError` where it is of another run."""
        if not checkpoint.exists():
            return
        state = load_state(checkpoint)
        if state["identity"] != self.identity:
            raise InputError(f"{checkpoint} is of another run: name another folder or remove it",
                             code="benchmarks.other-run", path=str(checkpoint))  # fmt: skip
        self.done, self.seconds = state["done"], state["seconds"]
        self.supernet.load_state_dict(state["supernet"])
        self.optimizer.load_state_dict(state["optimizer"])

    def scores(self, archs: list[Arch], held: Split, own: bool = True) -> Scores:
        """What the children of `archs` answer on `held`: accuracy, mean probability of the label, and minus the loss.

        With `own`, each has its own BatchNorm statistics; else all share those of random ones.
        """
        if own:
            calibration = self.train.images[self.calibrating]
            children = Inherited(self.supernet, calibration, held, self.dataset).logits(archs)
        else:
            batches = [self.plain(step)[0] for step in range(SHARED_CALIBRATION)]
            blocks = shared_blocks(self.supernet, batches, np.random.default_rng(self.seed))
            children = answers(self.supernet, archs, self.dataset.normalise(held.images), blocks)
        found: Scores = {"accuracy": [], "probability": [], "loss": []}
        for logits in children:
            right = logits.softmax(1).gather(1, held.labels[:, None])
            found["accuracy"].append((logits.argmax(1) == held.labels).double().mean().item())
            found["probability"].append(right.double().mean().item())
            found["loss"].append(-cross_entropy(logits, held.labels).item())
        return found
