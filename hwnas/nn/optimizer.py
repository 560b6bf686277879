"""The optimiser of shared weights: torch's fused SGD, which must be told of parameters that sit steps out."""

from typing import Any

import torch


def sgd(groups: list[dict[str, Any]], lr: float) -> torch.optim.SGD:
    """SGD with Nesterov momentum 0.9 as one fused kernel; parameters without a gradient are left alone.

    The kernel wants a momentum for all parameters or for none, laid out in memory as the parameter is. In a supernet
    some have momentum before others have run at all, so each starts with 0 when its first gradient comes, which makes
    the same first step; and a checkpoint knows no layouts, so they are restored after loading.
    """
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True, fused=True)
    optimizer.register_step_pre_hook(_start_momenta)
    optimizer.register_load_state_dict_post_hook(_lay_out_momenta)
    return optimizer


def _start_momenta(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None and parameter not in optimizer.state:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def _lay_out_momenta(optimizer: torch.optim.Optimizer) -> None:
    for parameter, state in optimizer.state.items():
        state["momentum_buffer"] = torch.empty_like(parameter).copy_(state["momentum_buffer"])
