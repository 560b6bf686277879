"""Networks in files: in this project's form, or as ProxylessNAS (1812.00332) and Once-for-All (1908.09791) publish
theirs: a `net.config` that tells every layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, TypeAdapter

from ..errors import InputError
from ..files import read_json
from .chain import Chain, round_channels
from .config_errors import parse_config
from .layer import Act
from .net import Net

RESOLUTION = 224
"""Pixels a side of the images of a published network that comes without a `run.config`."""

_ACTS: dict[str | None, Act] = {None: "", "relu": "relu", "relu6": "relu6", "h_swish": "hswish"}
_ActName = Literal["relu", "relu6", "h_swish"]


def _one(value: Any) -> Any:
    """A size, where it is written once for each axis."""
    return value[0] if isinstance(value, list) and value and value == value[:1] * len(value) else value


_Size = Annotated[int, BeforeValidator(_one), Field(ge=1)]


class _Norm(BaseModel):
    eps: Annotated[float, Field(gt=0, lt=1)]


class _AnyConv(BaseModel):
    name: Literal["ConvLayer"]
    in_channels: _Size
    out_channels: _Size
    kernel_size: _Size
    stride: _Size = 1
    dilation: Literal[1] = 1
    groups: Literal[1] = 1
    bias: Literal[False] = False
    ops_order: Literal["weight_bn_act"] = "weight_bn_act"
    use_se: Literal[False] = False
    has_shuffle: Literal[False] = False


class _Conv(_AnyConv):
    """A convolution, BatchNorm, and an activation."""

    use_bn: Literal[True] = True
    act_func: _ActName | None = "relu"


class _Hidden(_AnyConv):
    """A convolution of one pixel without BatchNorm."""

    kernel_size: Annotated[Literal[1], BeforeValidator(_one)]
    use_bn: Literal[False]
    act_func: _ActName


class _Bottleneck(BaseModel):
    """An inverted bottleneck, which is widened `expand_ratio` times where `mid_channels` does not say how far."""

    name: Literal["MBInvertedConvLayer", "MBConvLayer"]
    in_channels: _Size
    out_channels: _Size
    kernel_size: _Size
    stride: _Size
    expand_ratio: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    mid_channels: _Size | None = None
    act_func: _ActName = "relu6"
    use_se: bool = False
    groups: None = None


class _Zero(BaseModel):
    name: Literal["ZeroLayer"]


class _Path(BaseModel):
    name: Literal["IdentityLayer", "ZeroLayer"]


class _Residual(BaseModel):
    """A bottleneck, and what goes past it. Without a bottleneck the input goes on as it is."""

    conv: Annotated[_Bottleneck | _Zero, Field(discriminator="name")] | None = Field(
        validation_alias=AliasChoices("mobile_inverted_conv", "conv")
    )
    shortcut: _Path | None


class _Linear(BaseModel):
    in_features: _Size
    out_features: _Size
    bias: Literal[True] = True
    use_bn: Literal[False] = False
    act_func: None = None


class _Network(BaseModel):
    bn: _Norm
    first_conv: _Conv
    blocks: list[_Residual]
    classifier: _Linear


class _Proxyless(_Network):
    name: Literal["ProxylessNASNets"]
    feature_mix_layer: _Conv | None


class _MobileNetV3(_Network):
    name: Literal["MobileNetV3"]
    final_expand_layer: _Conv
    feature_mix_layer: _Hidden


_NET: TypeAdapter[_Proxyless | _MobileNetV3] = TypeAdapter(
    Annotated[_Proxyless | _MobileNetV3, Field(discriminator="name")]
)


def read(path: str | Path) -> Net:
    """The network in `path`: this project's JSON, or a published one.

    A published network is for images of the size in the `run.config` beside it, or 224 pixels; `scaling.scale` makes
    it for another. Raises `InputError` naming what is wrong.
    """
    path = Path(path)
    value = read_json(path, "network")
    if isinstance(value, dict) and {"ks", "e", "d"} <= value.keys():
        raise InputError(
            f"{path} holds the choices of a Once-for-All supernet (ks, e, d), not a network: give the net.config of "
            "that, which its get_active_net_config() tells",
            code="net.supernet-choices",
            path=path,
        )
    if not isinstance(value, dict) or "schema" in value or "first_conv" not in value:
        return Net.from_json(value, path)
    label = path.parent.name if path.stem == "net" else path.stem
    return from_config(value, path, _resolution(path.with_name("run.config")), label)


def from_config(value: Any, where: object = "network", resolution: int = RESOLUTION, name: str = "") -> Net:
    """The network that a published `net.config` tells. Raises `InputError` naming `where` and the wrong layer."""
    config = parse_config(_NET, value, where)
    chain = Chain(resolution)
    _add_conv(chain, config.first_conv, f"{where}: first_conv")
    for index, block in enumerate(config.blocks):
        if isinstance(block.conv, _Bottleneck):
            residual = block.shortcut is not None and block.shortcut.name == "IdentityLayer"
            _add_bottleneck(chain, block.conv, residual, f"{where}: blocks.{index}")
    if isinstance(config, _MobileNetV3):
        _add_conv(chain, config.final_expand_layer, f"{where}: final_expand_layer")
    elif config.feature_mix_layer:
        _add_conv(chain, config.feature_mix_layer, f"{where}: feature_mix_layer")
    _add_classifier(chain, config, where)
    return chain.net(name or config.name, config.bn.eps)


def _resolution(path: Path) -> int:
    """The `image_size` in the `run.config` at `path`, if there is such a file."""
    if not path.exists():
        return RESOLUTION
    value = read_json(path, "run.config")
    size = value.get("image_size") if isinstance(value, dict) else None
    if not isinstance(size, int) or size < 1:
        message = f"{path} gives no image_size that is a number of pixels"
        raise InputError(message, code="config.image-size", path=path)
    return size


def _require(given: int, wanted: int, where: str) -> None:
    """Raise `InputError` naming `where` if it is `given` other channels than it wants."""
    if given != wanted:
        message = f"{where} is for {wanted} channels, and gets {given}"
        raise InputError(message, code="config.channels", where=where, wanted=wanted, given=given)


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Raise `InputError` naming `where` if no block is like the one that is added there."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}", code=error.code, **{**error.fields, "where": where}) from None


def _add_conv(chain: Chain, layer: _Conv, where: str) -> None:
    _require(chain.channels, layer.in_channels, where)
    with _naming(where):
        act = _ACTS[layer.act_func]
        chain.add("conv", layer.out_channels, kernel=layer.kernel_size, stride=layer.stride, act=act)


def _add_classifier(chain: Chain, config: _Proxyless | _MobileNetV3, where: object) -> None:
    features, fields = chain.channels, {}
    if isinstance(config, _MobileNetV3):
        hidden = config.feature_mix_layer
        _require(features, hidden.in_channels, f"{where}: feature_mix_layer")
        features = hidden.out_channels
        fields = {"mid": features, "act": _ACTS[hidden.act_func]}
    _require(features, config.classifier.in_features, f"{where}: classifier")
    chain.add("classifier", config.classifier.out_features, **fields)


def _add_bottleneck(chain: Chain, layer: _Bottleneck, residual: bool, where: str) -> None:
    _require(chain.channels, layer.in_channels, where)
    with _naming(where):
        mid = layer.mid_channels or round(layer.in_channels * (layer.expand_ratio or 1))
        if mid < 1:
            raise InputError(
                f"its expand_ratio of {layer.expand_ratio:g} leaves it no channels", code="config.expansion"
            )
        widens = layer.expand_ratio != 1
        if not widens and mid != layer.in_channels:
            message = "its expand_ratio is 1, and its mid_channels are others than its in_channels"
            raise InputError(message, code="config.expansion")
        chain.add(
            "fbconv" if widens and mid == layer.in_channels else "mbconv",  # an mbconv widens, or has no such layer
            layer.out_channels,
            kernel=layer.kernel_size,
            stride=layer.stride,
            mid=mid,
            se=round_channels(mid // 4) if layer.use_se else 0,
            hard=layer.use_se,
            act=_ACTS[layer.act_func],
            residual=residual,
        )
