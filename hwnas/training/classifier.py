"""What a network has to be to be trained as a classifier of images."""

from ..errors import InputError
from ..space.net import Net
from .data import Dataset


def require_classifier(net: Net) -> None:
    """Raise `InputError` ("training.no-classifier", "training.early-classifier", "training.channels",
    "training.not-square") unless `net` takes square images of three channels and ends, there only, in a classifier."""
    first, name = net.blocks[0], net.name or "the network"
    ends = [block.op == "classifier" for block in net.blocks]
    if not ends[-1]:
        raise InputError(f"{name} does not end in a classifier", code="training.no-classifier", net=name)
    if sum(ends) != 1:
        raise InputError(f"{name} has a classifier before its end", code="training.early-classifier", net=name)
    if first.cin != 3:
        raise InputError(
            f"{name} takes images of {first.cin} channels, not 3",
            code="training.channels",
            net=name,
            channels=first.cin,
        )
    if first.height != first.width:
        raise InputError(
            f"{name} takes images of {first.height}×{first.width} px, which is no square",
            code="training.not-square",
            net=name,
            height=first.height,
            width=first.width,
        )


def require_same_classes(net: Net, dataset: Dataset) -> None:
    """Raise `InputError` ("training.classes") unless `net` has an output for each class of `dataset`."""
    classes = len(dataset.labels)
    if net.classes != classes:
        raise InputError(
            f"{net.name} has {net.classes} outputs, {dataset.name} has {classes} classes: take a network for {classes}",
            code="training.classes",
            outputs=net.classes,
            classes=classes,
        )
