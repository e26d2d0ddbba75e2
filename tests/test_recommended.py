"""Settings that suit a network: what is tuned, and what fits whatever network there is."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from helpers import tiny_network, tiny_params

import jatlas
from jatlas.build import for_vision_transformer, recommended, recommended_layer
from jatlas.cli._options import IconOptions
from jatlas.model import (
    GOOGLENET_BVLC,
    Network,
    abstract_params,
    efficientnet_lite0,
    inception_v1,
)
from jatlas.model._efficientnet import abstract_efficientnet
from jatlas.model._efficientnet_config import EFFICIENTNET_LITE0 as LITE0


def test_an_inception_and_a_network_of_ones_own_have_the_defaults() -> None:
    googlenet = inception_v1(GOOGLENET_BVLC), abstract_params(GOOGLENET_BVLC)
    assert recommended(*googlenet, ("mixed3b", "mixed5b")) == jatlas.BuildConfig()
    assert recommended(tiny_network(), tiny_params(), ("conv2",)) == jatlas.BuildConfig()
    assert recommended_layer(googlenet[0]) == "mixed4c"


def test_a_network_of_one_size_is_shown_views_of_that_size() -> None:
    def forward(params: Any, images: jax.Array, tap: Any) -> jax.Array:
        return tap("layer", images + params).mean((1, 2))

    network = Network(forward=forward, taps=("layer",), input_size=64)
    config = recommended(network, jnp.zeros((1, 64, 64, 3)), ("layer",))
    assert config == jatlas.BuildConfig(
        icons=jatlas.RenderConfig(views=jatlas.RandomViews(size=64))
    )


@pytest.mark.slow
def test_views_of_efficientnet_hold_three_cells_of_its_latest_layer() -> None:
    network, params = efficientnet_lite0(), abstract_efficientnet(LITE0)
    assert recommended_layer(network) == "block5c"
    sizes = {
        layers: recommended(network, params, layers).icons.views.size
        for layers in (("block3b",), ("block5c",), ("block5c", "block6d"))
    }
    assert list(sizes.values()) == [48, 48, 96]
    assert recommended(network, params, ("block6d",)).icons.icon_size == 96
    assert recommended(network, params, ("block6d",)).ridge == 1


def test_a_vision_transformer_is_shown_whole_images() -> None:
    network, params = jatlas.load_network("textures_vit")
    assert recommended_layer(network) == "block3"
    config = recommended(network, params, ("block1", "block3"))
    assert config == for_vision_transformer(size=96)
    assert config.icons.views.size == config.icons.icon_size == 96


@pytest.mark.slow
def test_what_is_not_given_on_the_command_line_is_as_recommended() -> None:
    network, params = efficientnet_lite0(), abstract_efficientnet(LITE0)
    suited = recommended(network, params, ("block6d",)).icons
    assert IconOptions().config(suited) == suited
    given = IconOptions(steps=12, view_size=64, icon_size=48).config(suited)
    assert (given.steps, given.views.size, given.icon_size) == (12, 64, 48)
    assert given.parameterization == suited.parameterization
    assert IconOptions(preset="paper").config(suited) == IconOptions(preset="paper").config(
        jatlas.RenderConfig()
    )


def test_without_a_recommended_layer_the_layers_are_listed() -> None:
    with pytest.raises(ValueError, match=r"layer: expected one of tiny, .*: input, conv1, conv2"):
        recommended_layer(tiny_network())


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="tiny has no layer 'conv9'"):
        recommended(tiny_network(), tiny_params(), ("conv9",))
