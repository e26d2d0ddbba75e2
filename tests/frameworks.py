"""One small network with a skip, written in each framework, with the same layers."""

from typing import Any

import jax
import jax.numpy as jnp

CLASSES, CHANNELS = 5, 6


def of_nnx() -> Any:
    """Return a Flax NNX model that gives logits for (n, h, w, 3)."""
    from flax import nnx

    class Block(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.conv = nnx.Conv(CHANNELS, CHANNELS, (3, 3), rngs=rngs)
            self.norm = nnx.BatchNorm(CHANNELS, rngs=rngs)
            self.drop = nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            return x + self.drop(jax.nn.softplus(self.norm(self.conv(x))))

    class Model(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.stem = nnx.Conv(3, CHANNELS, (3, 3), strides=2, rngs=rngs)
            self.blocks = nnx.List([Block(rngs), Block(rngs)])
            self.act = nnx.Linear(CHANNELS, CHANNELS, rngs=rngs)
            self.head = nnx.Linear(CHANNELS, CLASSES, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            x = self.act(self.stem(x))
            for block in self.blocks:
                x = self.act(block(x))
            return self.head(x.mean((1, 2)))

    return Model(nnx.Rngs(0))


def of_linen() -> tuple[Any, Any]:
    """Return a Flax Linen module and its variables."""
    from flax import linen

    class Block(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array, train: bool) -> jax.Array:
            y = linen.Conv(CHANNELS, (3, 3))(x)
            y = linen.BatchNorm(use_running_average=not train)(y)
            return x + linen.Dropout(0.5, deterministic=not train)(jax.nn.softplus(y))

    class Model(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
            x = linen.Conv(CHANNELS, (3, 3), strides=2, name="stem")(x)
            for _ in range(2):
                x = Block()(x, train)
            return linen.Dense(CLASSES, name="head")(x.mean((1, 2)))

    module = Model()
    return module, module.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)), train=False)


def of_equinox() -> Any:
    """Return an Equinox model of one image (3, h, w)."""
    import equinox

    class Block(equinox.Module):
        conv: equinox.nn.Conv2d
        drop: equinox.nn.Dropout

        def __init__(self, key: jax.Array) -> None:
            self.conv = equinox.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, key=key)
            self.drop = equinox.nn.Dropout(0.5)

        def __call__(self, x: jax.Array, *, key: Any = None) -> jax.Array:
            return x + self.drop(jax.nn.softplus(self.conv(x)), key=key)

    class Model(equinox.Module):
        stem: equinox.nn.Conv2d
        blocks: list[Block]
        head: equinox.nn.Linear

        def __init__(self, key: jax.Array) -> None:
            keys = jax.random.split(key, 4)
            self.stem = equinox.nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1, key=keys[0])
            self.blocks = [Block(keys[1]), Block(keys[2])]
            self.head = equinox.nn.Linear(CHANNELS, CLASSES, key=keys[3])

        def __call__(self, x: jax.Array, *, key: Any = None) -> jax.Array:
            x = self.stem(x)
            for block in self.blocks:
                x = block(x, key=key)
            return self.head(x.mean((1, 2)))

    return Model(jax.random.key(0))


def of_keras() -> Any:
    """Return a functional Keras model."""
    import keras

    layers = keras.layers
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(CHANNELS, 3, strides=2, padding="same", name="stem")(image)
    for number in range(2):
        y = layers.Conv2D(CHANNELS, 3, padding="same", activation="softplus")(x)
        y = layers.BatchNormalization()(y)
        x = layers.Add(name=f"block{number}")([x, layers.Dropout(0.5)(y)])
    x = layers.GlobalAveragePooling2D()(x)
    keras.utils.set_random_seed(0)
    return keras.Model(image, layers.Dense(CLASSES, name="head")(x), name="small")


def of_torch() -> Any:
    """Return a PyTorch module for (n, 3, h, w)."""
    import torch

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
            self.norm = torch.nn.BatchNorm2d(CHANNELS)
            self.drop = torch.nn.Dropout(0.5)

        def forward(self, x: Any) -> Any:
            return x + self.drop(torch.nn.functional.softplus(self.norm(self.conv(x))))

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = torch.nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1)
            self.blocks = torch.nn.ModuleList([Block(), Block()])
            self.head = torch.nn.Linear(CHANNELS, CLASSES)

        def forward(self, x: Any) -> Any:
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return self.head(x.mean((2, 3)))

    torch.manual_seed(0)
    return Model()
