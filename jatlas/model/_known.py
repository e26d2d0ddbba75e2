"""The known networks: how each is built, and how its weight files are converted.

Where their weights come from is in `jatlas.model._sources`.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol

from jatlas.model._convert import convert_bytes
from jatlas.model._efficientnet import abstract_efficientnet, efficientnet
from jatlas.model._efficientnet_config import EFFICIENTNET_LITE0, EfficientNetConfig
from jatlas.model._efficientnet_convert import convert_torch
from jatlas.model._inception import abstract_params, inception_v1
from jatlas.model._inception_config import CONFIGS
from jatlas.model._network import Network
from jatlas.model._vit import abstract_vit_params, vision_transformer
from jatlas.model._vit_config import TEXTURES_VIT, ViTConfig
from jatlas.types import Params
from jatlas.types.programs import describe


class Convert(Protocol):
    """Makes parameters of the content of a weight file."""

    def __call__(self, data: bytes, *, origin: str) -> Params:
        """Return nested dicts of float32 NumPy arrays.

        Args:
          data: the content.
          origin: what messages call it.

        Raises:
          ValueError: if it does not fit; the message lists every mismatch.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class KnownNetwork:
    """A network whose weights are known.

    Attributes:
      build: returns the network.
      abstract_params: returns the names, shapes and dtypes of its parameters, as nested dicts of
        `jax.ShapeDtypeStruct`.
      convert: makes its parameters of the content of a weight file.
    """

    build: Callable[[], Network]
    abstract_params: Callable[[], Params]
    convert: Convert


def known_inception(name: str) -> KnownNetwork:
    """Return the network of `CONFIGS` of that name."""
    return KnownNetwork(
        build=lambda: inception_v1(CONFIGS[name]),
        abstract_params=lambda: abstract_params(CONFIGS[name]),
        convert=lambda data, *, origin: convert_bytes(data, origin=origin, config=CONFIGS[name]),
    )


def known_efficientnet(config: EfficientNetConfig) -> KnownNetwork:
    """Return the network of a config."""
    return KnownNetwork(
        build=lambda: efficientnet(config),
        abstract_params=lambda: abstract_efficientnet(config),
        convert=lambda data, *, origin: convert_torch(data, origin=origin, config=config),
    )


def known_vit(config: ViTConfig) -> KnownNetwork:
    """Return the network of a config, whose weights are the project's own."""

    def refuse(data: bytes, *, origin: str) -> Params:
        del data
        raise ValueError(
            f"{origin}: the weights of {config.name} come with jatlas, in no other file"
        )

    return KnownNetwork(
        build=lambda: vision_transformer(config),
        abstract_params=lambda: abstract_vit_params(config),
        convert=refuse,
    )


KNOWN: dict[str, KnownNetwork] = {
    **{name: known_inception(name) for name in CONFIGS},
    EFFICIENTNET_LITE0.name: known_efficientnet(EFFICIENTNET_LITE0),
    TEXTURES_VIT.name: known_vit(TEXTURES_VIT),
}
"""The networks that `load_network` loads, by name."""


def is_known(network: Network) -> bool:
    """Return whether a network is one of `KNOWN`, unchanged.

    Example:
      >>> from jatlas.model import TEXTURES
      >>> is_known(inception_v1(TEXTURES)), is_known(inception_v1(TEXTURES, relaxed=True))
      (True, False)
    """
    known = KNOWN.get(network.name)
    return known is not None and known.build() is network


@describe.register
def _(network: Network) -> str:
    if not is_known(network):  # what its code does, its name does not say
        raise TypeError(f"{network.name!r} is not one of jatlas's own networks")
    return f"network {network.name!r}"
