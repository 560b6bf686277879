"""Shared weights that begin with those of a trained network: `weights.init`."""

from pathlib import Path

from torch import nn

from ..errors import InputError
from ..nn import initial, timm_weights, weights
from ..nn.build import Network
from ..nn.choice_block import Sharing
from ..nn.initial_supernet import fill_supernet
from ..nn.supernet import Supernet
from ..space import published, zoo
from ..training.initial import fingerprint, of_run, timm_source, unknown
from ..training.run import RECORD as TRAINED
from .inherit import read_child
from .record import RECORD, BegunSupernet, read_record


def begin(supernet: Supernet, what: str, sharing: Sharing) -> BegunSupernet:
    """Fill `supernet` from the network that `what` names; what was filled. Raises `InputError` as `read_network`, and
    ("initial.nothing-fits")."""
    source = read_network(what, supernet.space.classes, supernet.space.resolution)
    filled = fill_supernet(supernet.choice_blocks, supernet.space.eps, source, sharing)
    said = "=".join(Path(part).name for part in what.split("="))
    return BegunSupernet(said, source.net.name, fingerprint(what), filled.equal, filled.sliced, filled.new)


def read_network(what: str, classes: int, resolution: int) -> Network:
    """The trained network that `what` names.

    That is "timm:NAME" or "timm:NAME=FILE", where the zoo has the network; "NET=FILE", a network of the zoo, or the
    file of one, and its weights; the folder of a training run; or that of a search, whose network it is. Raises
    `InputError` for anything else.
    """
    model, file = timm_source(what)
    if model:
        theirs = timm_weights.download(model) if file is None else initial.read_timm(model, file)
        return _in_zoo(theirs, model, resolution)
    path = Path(what)
    if (path / TRAINED).is_file():
        return of_run(path)
    if (path / RECORD).is_file():
        return read_child(path, read_record(path).net())
    name, equals, given = what.partition("=")
    if equals:
        net = zoo.get(name, classes, resolution) if name in zoo.names() else published.read(Path(name))
        return initial.read(net, Path(given))
    if path.is_file():
        message = (
            f"which network the weights in {what} are of is not said: give NET={what}, a net.json or one of the zoo"
        )
        raise InputError(message, code="initial.no-network", path=path)
    raise unknown(what)


def _in_zoo(theirs: nn.Module, name: str, resolution: int) -> Network:
    """The network of the zoo that timm's model `theirs` is. Raises `InputError` ("initial.not-in-zoo")."""
    classes = initial.count_classes(theirs)
    params = sum(value.numel() for value in theirs.parameters())
    for net in (zoo.get(known, classes, resolution) for known in zoo.names()):
        if net.params == params:
            return weights.adopt_timm(net, theirs, name)
    message = f"the zoo has no network like timm's {name}: train one of `hwnas zoo`, and give the folder of that run"
    raise InputError(message, code="initial.not-in-zoo", name=name)
