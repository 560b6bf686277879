"""What is done with weights that were trained before: frozen blocks and norms, lower rates for the body, a teacher."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from ..config import Config
from ..errors import InputError
from ..nn.build import Network

Freeze = Annotated[int, Field(ge=0)] | Literal["body"]
"""The first so many blocks, or all but the classifier."""
Norms = Literal["batch", "frozen"]
"""BatchNorms with the statistics of each batch, or with those that they began with."""
Targets = Literal["logits", "hard"]
"""What a student learns of its teacher: `logits`, the distribution over the classes at a temperature (1503.02531), or
`hard`, the class that the teacher gives the image (2012.12877, §4)."""


class Transfer(Config):
    """Settings for weights that were trained before (`--init`) and for a teacher (`--teacher`); by default everything
    is trained at one rate, and a teacher counts as much as the labels."""

    freeze: Freeze = Field(default=0, description="Blocks that stay as they began, from the first on; or body: all "
                           "but the classifier.")  # fmt: skip
    norms: Norms = Field(
        default="batch",
        description="BatchNorm statistics in training: of each batch, or frozen at those of --init, for batches of "
        "under 16 images.",
    )
    body_lr: float = Field(default=1, gt=0, description="Learning rate of all but the classifier, times lr.")
    layer_decay: float = Field(
        default=1, gt=0, le=1, description="What each block before the classifier multiplies the rate by once more."
    )
    distillation: Targets = Field(
        default="logits", description="What is learnt of a teacher: its logits (1503.02531), or hard, its class "
        "(2012.12877)."
    )  # fmt: skip
    temperature: float = Field(default=4, gt=0, description="What logits are divided by for that; as timm's.")
    teacher_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of the loss that is the teacher's; the rest is the labels'."
    )

    @property
    def one_rate(self) -> bool:
        """Whether all that is trained has one learning rate."""
        return self.body_lr == self.layer_decay == 1


def frozen_blocks(module: Network, freeze: Freeze) -> list[nn.Module]:
    """The blocks of `module` that `freeze` means. Raises `InputError` ("training.freeze") where it has no so many."""
    blocks = list(module)
    count = len(blocks) - 1 if freeze == "body" else freeze
    if count >= len(blocks):
        message = f"{count} blocks cannot be frozen and leave any to train: there are {len(blocks)}"
        raise InputError(message, code="training.freeze", freeze=freeze, blocks=len(blocks))
    return blocks[:count]


def require_trained_norms(norms: Norms, begun: bool) -> None:
    """Raise `InputError` ("training.nothing-to-keep") where fresh norms would be frozen."""
    if norms == "frozen" and not begun:
        message = "norms=frozen keeps the statistics of trained weights, and there are none: give --init"
        raise InputError(message, code="training.nothing-to-keep", setting="norms")


def set_training_mode(module: Network, frozen: list[nn.Module], norms: Norms) -> None:
    """Training mode, but for `frozen` blocks, which have no gradients either, and where `norms` are frozen, those."""
    module.train()
    for block in frozen:
        block.eval().requires_grad_(False)
    if norms == "frozen":
        for norm in norms_in(module):
            norm.eval()


def kept_norms(module: Network, settings: Transfer) -> list[nn.BatchNorm2d]:
    """The norms of `module` whose statistics stay as they began."""
    parts = [module] if settings.norms == "frozen" else frozen_blocks(module, settings.freeze)
    return [norm for part in parts for norm in norms_in(part)]


def norms_in(module: nn.Module) -> Iterator[nn.BatchNorm2d]:
    """Every BatchNorm of `module`."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            yield part


def parameter_groups(
    module: Network, weight_decay: float, body_lr: float = 1.0, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """The parameters that are trained, in groups of one `lr_scale` and one weight decay, as timm's schedules take them.

    The classifier has the scale 1, and the block k before it `body_lr` times `layer_decay` to the power of k. Norms and
    biases have no weight decay.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    blocks = list(module)
    for index, block in enumerate(blocks):
        before = len(blocks) - 1 - index
        scale = body_lr * layer_decay**before if before else 1.0
        for parameter in block.parameters():
            if parameter.requires_grad:
                groups.setdefault((scale, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": parameters, "lr_scale": scale, "weight_decay": weight_decay if decays else 0.0}
        for (scale, decays), parameters in groups.items()
    ]
