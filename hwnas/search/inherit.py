"""The shared weights that a finished search left, and the children that inherit them."""

from pathlib import Path

from ..errors import InputError
from ..nn.build import Network
from ..nn.initial import require_same_architecture, with_classes
from ..nn.state import load_state
from ..nn.supernet import Supernet
from ..space import registry
from ..space.net import Net
from ..space.recognise import find_arch
from ..space.registry import SpaceIdentity
from ..space.space import Arch, SearchSpace
from ..strategies.limit import Limit
from .config import SearchConfig
from .folder import STATE
from .plan import Plan
from .record import SearchRecord, read_record


def read_child(folder: Path, net: Net) -> Network:
    """The child of the shared weights in `folder` that has the architecture of `net`, of whatever classes.

    Its BatchNorms have the statistics of fresh ones. Raises `InputError` as `read_supernet`, and
    ("initial.other-architecture") where `net` is not in the space of the search.
    """
    record, supernet = read_supernet(folder)
    wanted = with_classes(net, supernet.space.classes)
    arch = record.arch if supernet.space.derive(record.arch) == wanted else find_arch(supernet.space, wanted.blocks)
    if arch is None:
        require_same_architecture(net, supernet.space.derive(record.arch))
        raise InputError(  # its images are of another size
            f"the network takes images of {net.resolution} px, and no network that was searched in {folder} does",
            code="initial.other-architecture", block=0,
        )  # fmt: skip
    return supernet.extract(arch)


def read_largest(folder: Path) -> Network:
    """The child of the shared weights in `folder` with most MACs. Raises `InputError` as `read_supernet`."""
    _, supernet = read_supernet(folder)
    return supernet.extract(largest(supernet.space))


def read_supernet(folder: Path) -> tuple[SearchRecord, Supernet]:
    """The record and the shared weights of the finished search in `folder`. Raises `InputError` ("search.no-weights")
    where its architectures were scored by something else, and for a space or a strategy that may not be resolved."""
    record = read_record(folder)
    if not (folder / STATE).is_file():
        raise InputError(f"{folder} has no shared weights: its architectures were scored by {record.scored_by}",
                         code="search.no-weights", path=str(folder))  # fmt: skip
    config = SearchConfig.parse(record.request["config"], folder)
    config.require_repeated()
    plan, space = Plan.of(config), _space(record)
    sharing = plan.config.weights.sharing or "separate"
    if plan.learns:
        supernet = Supernet(space, config.seed, sharing)
    else:
        supernet = plan.path_sampler(Limit.none(space)).supernet(sharing)
    try:
        supernet.load_state_dict(load_state(folder / STATE)["supernet"])
    except (KeyError, RuntimeError, TypeError):  # torch's words are a list of all its names
        raise InputError(f"{folder / STATE} is of another search or version", code="search.other-checkpoint",
                         path=str(folder / STATE)) from None  # fmt: skip
    return record, supernet.eval()


def _space(record: SearchRecord) -> SearchSpace:
    if record.fingerprint:
        return SpaceIdentity(record.space, record.classes, record.fingerprint).resolve()
    return registry.get(record.space, record.classes)


def largest(space: SearchSpace) -> Arch:
    """The architecture of most MACs that changing no single slot makes larger, from the last options on."""
    arch = tuple(count - 1 for count in space.choices)
    most = space.derive(arch).macs
    while True:
        macs, best = max((space.derive(other).macs, other) for other in space.neighbours(arch))
        if macs <= most:
            return arch
        arch, most = best, macs
