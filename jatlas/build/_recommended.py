"""Settings that suit a network and its layers, where they are known."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal

from jatlas.build._config import BuildConfig, CellConfig
from jatlas.model import Network
from jatlas.records import Atlas
from jatlas.types import Params, checks
from jatlas.visualize import Adam, Direction, Fourier, RandomViews, RenderConfig

_CELLS_IN_VIEW = 3  # of the layer, along each side
_RIDGE = 0.1  # at least, in maps of few samples

ViewRule = Literal["default", "cells", "image"]
"""Views have the default size, hold three cells of a layer, or are as large as the images."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Suited:
    """What suits a network.

    Attributes:
      layer: to map if none is named.
      views: how large the views are.
      config: returns the settings, given the size of the views.
    """

    layer: str = "mixed4c"
    views: ViewRule = "default"
    config: Callable[[int], BuildConfig]


def recommended_layer(network: Network) -> str:
    """Return the layer of a network that is mapped if none is named.

    A host function: it runs outside `jit`.

    Args:
      network: the network.

    Raises:
      ValueError: if there is no recommendation.

    Example:
      >>> from jatlas.model import TEXTURES, inception_v1
      >>> recommended_layer(inception_v1(TEXTURES))
      'mixed4c'
    """
    layer = _suited(network).layer
    if layer not in network.layers:
        known = ", ".join(network.layers)
        raise ValueError(f"layer: expected one of {network.name}, as none is recommended: {known}")
    return layer


def recommended(network: Network, params: Params, layers: Sequence[str]) -> BuildConfig:
    """Return the settings that suit a network and its layers.

    They are `BuildConfig()` but for what was found to be better: `efficientnet_lite0` and
    `textures_vit` have settings of their own, and a network that takes images of one size alone is
    shown views of that size. See `for_vision_transformer` for a transformer of your own.

    A host function: it runs outside `jit`.

    Args:
      network: the network.
      params: its parameters; only their shapes matter.
      layers: names of the layers of one atlas, which share the settings.

    Returns:
      BuildConfig.

    Raises:
      ValueError: for an unknown layer.
    """
    suited = _suited(network)
    return suited.config(_view_size(network, params, layers, rule=suited.views))


def for_vision_transformer(*, size: int) -> BuildConfig:
    """Return settings that suit a vision transformer.

    A token knows its own patch best, and an icon in small views that wander shows little else. So
    views hold nearly the whole canvas, at the size the network was trained on, and the cosine
    counts more than the length, which the contrast of one patch would raise. Of 12 cells of block3
    of `textures_vit`, the mean cosine of the icons as they are was 0.78 so, and 0.38 with default
    settings in views of 96 px.

    A host function: it runs outside `jit`.

    Args:
      size: side in pixels of the images that the network was trained on.

    Returns:
      BuildConfig.

    Raises:
      ValueError: for a size below 1.

    Example:
      >>> for_vision_transformer(size=224).icons.views.size
      224
    """
    icons = RenderConfig(
        icon_size=size,
        steps=128,
        optimizer=Adam(learning_rate=0.06),
        objective=Direction(power=4),
        parameterization=Fourier(decay=1.5),
        views=RandomViews(size=size, window=(0.8, 1.1), pad=0.1, rotate=10),
    )
    return BuildConfig(ridge=1.0, icons=icons)


def _for_efficientnet(size: int) -> BuildConfig:
    """Return settings for EfficientNet-Lite0.

    Its blocks end in few linear channels, of which none can be lost: hence the ridge. A steeper
    spectrum and larger rotations remove most of the grid that strides leave in an icon.
    """
    window = (0.6, 0.95) if size > RandomViews.size else (0.45, 0.8)
    icons = RenderConfig(
        icon_size=max(RenderConfig.icon_size, size),
        optimizer=Adam(learning_rate=0.1),
        objective=Direction(power=1),
        parameterization=Fourier(decay=1.5),
        views=RandomViews(size=size, rotate=30, window=window),
    )
    return BuildConfig(ridge=1.0, icons=icons)


def _for_others(size: int) -> BuildConfig:
    return BuildConfig(icons=RenderConfig(views=RandomViews(size=size)))


_SUITED = {
    "efficientnet_lite0": _Suited(layer="block5c", views="cells", config=_for_efficientnet),
    "textures_vit": _Suited(
        layer="block3", views="image", config=lambda size: for_vision_transformer(size=size)
    ),
}


def _suited(network: Network) -> _Suited:
    return _SUITED.get(network.name, _Suited(config=_for_others))


def _view_size(network: Network, params: Params, layers: Sequence[str], *, rule: ViewRule) -> int:
    """Return the side of the views that layers share.

    It is that of the images that the network was trained on if the network takes no smaller ones.

    Raises:
      ValueError: if there is no such layer, or it has no map.
    """
    side, size = network.input_size, RandomViews.size
    if rule == "image":
        return side
    if rule == "cells":
        for layer in layers:
            cells, _, _ = network.activation_shape(params, (side, side), layer=layer)
            size = max(size, min(side, _CELLS_IN_VIEW * side // cells))
    return size if all(network.takes(params, size, layer=layer) for layer in layers) else side


def cells_like(network: Network, params: Params, atlas: Atlas, *, layer: str) -> CellConfig:
    """Return how cells of few samples of an atlas become pictures: as its own, but readable.

    Whitening and exemplars are as in the atlas. Views grow until they hold three cells of the layer
    along each side, or the whole image: smaller ones show a late layer hardly anything but its own
    padding, and some networks take nothing smaller. And the ridge is at least 0.1. Of 12 cells of
    mixed5b, 14,000 samples of 700 images, with 128 steps and views that go anywhere, the network
    took 1 icon for its cell's label with views of 48 px, 5 with 96 px and 8 with the larger ridge
    too; among its first five it had 2, 7 and 11 of them.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas.
      layer: name of a layer.

    Raises:
      ValueError: if there is no such layer, or it has no map.
    """
    made, suited = atlas.info.get("settings", {}), _suited(network)
    rule: ViewRule = "image" if suited.views == "image" else "cells"
    return CellConfig(
        whiten=made.get("whiten", CellConfig.whiten),
        ridge=max(checks.number("ridge", made.get("ridge", CellConfig.ridge), above=0), _RIDGE),
        exemplars=made.get("exemplars", CellConfig.exemplars),
        icons=suited.config(_view_size(network, params, (layer,), rule=rule)).icons,
    )
