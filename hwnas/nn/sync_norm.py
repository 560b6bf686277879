"""BatchNorm with the statistics of the joined batch of all ranks, as one process would take them (1502.03167, alg. 1).

(torch's own, `SyncBatchNorm`, runs on GPUs only.)
"""

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from .ranks import Ranks
from .shared import SharedConv, normalise


def synchronise(supernet: nn.Module, ranks: Ranks) -> None:
    """Have every norm of `supernet` take the statistics of a batch over all `ranks`."""
    for module in supernet.modules():
        if isinstance(module, SharedConv):
            module.normalise = partial(_normalise, ranks)


def _normalise(
    ranks: Ranks, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float, training: bool
) -> torch.Tensor:
    """As `shared.normalise`. `x` is (N, C, H, W), equally many rows on each of `ranks`."""
    if not training:
        return normalise(x, weight, bias, eps, False)
    normed: torch.Tensor = _SynchronisedNorm.apply(x, weight, bias, eps, ranks)  # type: ignore[no-untyped-call]
    return normed


class _SynchronisedNorm(torch.autograd.Function):
    """The gradient of x goes through the statistics of all rows; those of weight and bias are this rank's own.

    Keeps x and two numbers a channel for backward; a message of 2C numbers goes each way.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float, ranks: Ranks
    ) -> torch.Tensor:
        local = torch.var_mean(x.float(), (0, 2, 3), correction=0)
        variances, means = ranks.stacked(torch.stack(local)).unbind(1)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)  # not E[x²] − E[x]², which cancels
        rate = (variance + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, rate)
        ctx.ranks = ranks
        scale = weight * rate
        return (x * _per_channel(scale) + _per_channel(bias - mean * scale)).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, mean, rate = ctx.saved_tensors
        grad, normed = grad.float(), (x - _per_channel(mean)) * _per_channel(rate)
        of_bias, of_weight = grad.sum((0, 2, 3)), (grad * normed).sum((0, 2, 3))
        pixels = x.numel() / x.shape[1]
        level, slope = ctx.ranks.mean(torch.stack((of_bias, of_weight))) / pixels
        inner = grad - _per_channel(level) - normed * _per_channel(slope)
        return (inner * _per_channel(weight * rate)).to(x.dtype), of_weight, of_bias, None, None


def _per_channel(values: torch.Tensor) -> torch.Tensor:
    """(C,) so that it goes with (N, C, H, W)."""
    return values[:, None, None]
