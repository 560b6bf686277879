"""Training-free scores of networks: none is an accuracy, and none is below 0.

Each is of initial weights, and leaves the module that it is given as it was. Norms start with a gain of 1 here, in
residual branches too: `build` starts these at 0, as the identity, and they would then hide whatever is in them.
"""

from collections.abc import Callable
from copy import deepcopy
from math import log1p

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ..errors import InputError
from ..nn.build import Network, build
from ..nn.supernet import resized
from ..space.net import Net

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU)


def build_with_unit_gains(net: Net, seed: int) -> Network:
    """The module of `net` with initial weights that depend on `seed` alone, and gains of 1."""
    module = build(net, seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.ones_(norm.weight)
    return module


@torch.no_grad()
def naswot(module: nn.Module, images: torch.Tensor) -> float:
    """log |det K| of how alike the codes of `images` (N, 3, H, W) are (NAS without training, 2006.04647, §3).

    The code of an image has a bit for each input of an activation, which is 1 where that is above 0; K_ij is the number
    of bits in which images i and j agree. The paper has ReLU alone, of which the bit says everything. For ReLU6, which
    bends at 6 too, and for both swishes, which are curved, it still says on which side of 0 they are. BatchNorm is
    that of the images, as in training. Raises `InputError` ("accuracy.images-alike") where two images have the same
    code, which makes it -∞.
    """
    module, alike = deepcopy(module).train(), torch.zeros(len(images), len(images), dtype=torch.float64)

    def compare(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        ones = (inputs[0] > 0).flatten(1).float()  # of 0 and 1, so that counts up to 2^24 are exact
        alike.add_((ones @ ones.T + (1 - ones) @ (1 - ones).T).cpu())

    for part in module.modules():
        if isinstance(part, ACTIVATIONS):
            part.register_forward_pre_hook(compare)
    module(images)
    bits, (sign, found) = alike[0, 0], torch.linalg.slogdet(alike)
    if sign == 0 or (alike == bits).sum() > len(images):  # rounding may hide that it is 0
        raise InputError(
            "no activation of the network tells two of the images apart: take images that differ",
            code="accuracy.images-alike",
        )
    return float(found)


def synflow(module: nn.Module, resolution: int) -> float:
    """Σ |θ · ∂R/∂θ| of R, the sum of the outputs for one image of ones, with |θ| in place of θ (2006.05467;
    summed over a network by 2101.08134, §3.2).

    The paper's networks are linear in positive inputs, so that what flows through each layer is R. So are these without
    what is not linear there: BatchNorm is left out, and activations are, which are ReLUs for the purpose. Only the gate
    of a squeeze-and-excite block remains. In double precision, as R multiplies by every layer.
    """
    module = deepcopy(module).double().eval()
    for parent in list(module.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, (nn.BatchNorm2d, *ACTIVATIONS)):
                setattr(parent, name, nn.Identity())
    parameters = list(module.parameters())
    with torch.no_grad():
        for parameter in parameters:
            parameter.abs_()
    device = parameters[0].device
    flow = module(torch.ones(1, 3, resolution, resolution, dtype=torch.float64, device=device)).sum()
    gradients = torch.autograd.grad(flow, parameters, materialize_grads=True)  # nothing reaches what is before zeros
    return sum((weight * grad).abs().sum().item() for weight, grad in zip(parameters, gradients, strict=True))


def grad_norm(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The Euclidean norms of the gradients of the cross-entropy on one batch, (N, 3, H, W) and (N,), by the weights of
    each convolution and linear layer, summed over the layers (2101.08134, §3.2). BatchNorm is that of the batch."""
    module = deepcopy(module).train()
    weights = [part.weight for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    gradients = torch.autograd.grad(cross_entropy(module(images), labels), weights, materialize_grads=True)
    return float(sum(gradient.norm().item() for gradient in gradients))


Proxy = Callable[[Net, torch.Tensor, torch.Tensor, int], float]
"""(network, images (N, 3, H, W), labels (N,), seed of its weights) to a score, the larger the better."""

PROXIES: dict[str, Proxy] = {
    "naswot": lambda net, images, labels, seed: naswot(
        build_with_unit_gains(net, seed), resized(images, net.resolution)
    ),
    "synflow": lambda net, images, labels, seed: log1p(synflow(build_with_unit_gains(net, seed), net.resolution)),
    "grad-norm": lambda net, images, labels, seed: grad_norm(
        build_with_unit_gains(net, seed), resized(images, net.resolution), labels
    ),
    "params": lambda net, images, labels, seed: float(net.params),
    "macs": lambda net, images, labels, seed: float(net.macs),
}
"""Every proxy by name. `synflow` is log(1 + Σ), which ranks as Σ does and has no forty digits."""
