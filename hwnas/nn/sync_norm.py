"""BatchNorm with the statistics of the joined batch of all ranks, as one process would take them (1502.03167, alg. 1).

(torch's own, `SyncBatchNorm`, runs on GPUs only.)
"""

from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from .ranks import Ranks
from .shared import SharedConv, normalise


def synchronise(module: nn.Module, ranks: Ranks) -> None:
    """Have every norm of `module`, a supernet or a network, take the statistics of a batch over all `ranks`."""
    for part in module.modules():
        if isinstance(part, SharedConv):
            part.normalise = partial(_normalise, ranks)
        elif type(part) is nn.BatchNorm2d and part.track_running_stats:  # a supernet's hold weights, and do not run
            part.__class__ = SynchronisedNorm
            cast(SynchronisedNorm, part).ranks = ranks


class SynchronisedNorm(nn.BatchNorm2d):
    """A norm with running statistics, made of another by `synchronise`; in eval mode it is that."""

    ranks: Ranks

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape, equally many rows on each of the ranks."""
        mean, variance = self.running_mean, self.running_var
        if not self.training or mean is None or variance is None:
            return super().forward(x)
        normed: torch.Tensor
        normed, batch_mean, batch_variance = _SynchronisedNorm.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, self.eps, self.ranks
        )
        count = x.numel() // x.shape[1] * self.ranks.size
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = 0.1 if self.momentum is None else self.momentum
        mean.lerp_(batch_mean, momentum)
        variance.lerp_(batch_variance * (count / max(1, count - 1)), momentum)
        return normed


def _normalise(
    ranks: Ranks, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float, training: bool
) -> torch.Tensor:
    """As `shared.normalise`. `x` is (N, C, H, W), equally many rows on each of `ranks`."""
    if not training:
        return normalise(x, weight, bias, eps, False)
    normed: torch.Tensor
    normed, _, _ = _SynchronisedNorm.apply(x, weight, bias, eps, ranks)  # type: ignore[no-untyped-call]
    return normed


class _SynchronisedNorm(torch.autograd.Function):
    """x normalised, and the mean and the biased variance of all rows, through which only the first's gradient goes.

    The gradient of x goes through the statistics of all rows; those of weight and bias are this rank's own.

    Keeps x and two numbers a channel for backward; a message of 2C numbers goes each way.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float, ranks: Ranks
    ) -> tuple[torch.Tensor, ...]:
        local = torch.var_mean(x.float(), (0, 2, 3), correction=0)
        variances, means = ranks.stacked(torch.stack(local)).unbind(1)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)  # not E[x²] − E[x]², which cancels
        rate = (variance + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, rate)
        ctx.ranks = ranks
        scale = weight * rate
        ctx.mark_non_differentiable(mean, variance)
        return (x * _per_channel(scale) + _per_channel(bias - mean * scale)).to(x.dtype), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
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
