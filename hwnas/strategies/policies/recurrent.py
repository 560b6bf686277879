"""The base of policies with an LSTM controller: REINFORCE without torch's graph."""

from typing import Any

import numpy as np
import torch

from ..base import State
from .base import Policy
from .controller import Controller, Look


class RecurrentPolicy(Policy):
    """A `Policy` whose model is a `Controller`: with the derivative of the loss by every log p written out, and the
    controller's own gradient, only the steps are torch's, of all weights as one parameter."""

    model: Controller

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.optimizer.param_groups[0]["params"] = [self.model.flat]
        self.model.flat.grad = torch.zeros_like(self.model.flat)
        for weight, part in zip(self.model.weights, self.model.parts(self.model.flat.grad), strict=True):
            weight.grad = part
        self._gradient = self.model.flat.grad.numpy()

    def improve(self, archs: torch.Tensor, advantages: torch.Tensor) -> None:
        """One step of Adam against the mean of −log p(arch) · advantage."""
        look = self.model.look(archs)
        by_log = np.zeros_like(look.logs)
        by_log[look.taken] = -advantages.numpy() / len(archs)
        self.follow(look, by_log)

    def follow(self, look: Look, by_log: np.ndarray) -> None:
        """One step of Adam against ∂loss/∂log p, `by_log` (slots, N, widest slot)."""
        found = self.model.gradients(look, by_log)
        np.concatenate([gradient.ravel() for gradient in found], out=self._gradient)
        self.optimizer.step()

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`; from an older one, whose optimiser has an entry for each weight, too."""
        super().load_state_dict({**state, "optimizer": _joined(state["optimizer"])})


def _joined(state: State) -> State:
    """Adam's state with all its parameters as one."""
    entries, (group,) = list(state["state"].values()), state["param_groups"]
    if len(group["params"]) == 1:
        return state
    joined = {name: torch.cat([entry[name].flatten() for entry in entries]) for name in ("exp_avg", "exp_avg_sq")}
    entry = {0: {"step": entries[0]["step"], **joined}} if entries else {}
    return {"state": entry, "param_groups": [{**group, "params": [0]}]}
