"""Random keys, as callers have them."""

from typing import Any

import jax
import jax.numpy as jnp

from jatlas.types._names import Key

GENERATOR = "threefry2x32"
"""The generator of everything that is random here.

JAX's others give an icon or an image of a batch other numbers than it gets alone (their `vmap` is
not that of a single call), so that results would depend on batch sizes and interruptions.
"""


def as_key(value: Any) -> Key:
    """Return a key as a single typed one of `GENERATOR`.

    A pure function: it works under `jit` and `vmap`.

    Args:
      value: what `jax.random.key` or `jax.random.PRNGKey` makes. One of another generator seeds one
        of `GENERATOR`.

    Raises:
      ValueError: if it is neither, or several keys.

    Example:
      >>> new, old = jax.random.key(7), jax.random.PRNGKey(7)
      >>> bool((jax.random.key_data(as_key(old)) == jax.random.key_data(new)).all())
      True
    """
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    key = value
    if dtype is None:
        raise ValueError(f"key: expected a key as jax.random.key makes it, got {value!r}")
    if dtype == jnp.uint32:
        key = jax.random.wrap_key_data(jnp.asarray(value), impl=_generator_of(shape))
    elif not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        raise ValueError(f"key: expected a key as jax.random.key makes it, got {dtype} {shape}")
    if key.shape:
        raise ValueError(f"key: expected one key, got {key.shape} of them")
    if str(jax.random.key_impl(key)) == GENERATOR:
        return key
    return jax.random.wrap_key_data(jax.random.bits(key, (2,), jnp.uint32), impl=GENERATOR)


def _generator_of(shape: Any) -> str:
    """Return the generator of an old-style key: JAX's default, if its keys have that shape."""
    default = str(getattr(jax.config, "jax_default_prng_impl"))  # noqa: B009 (it has no type)
    sizes = {GENERATOR: (2,), "rbg": (4,), "unsafe_rbg": (4,)}
    for name in (default, GENERATOR, "rbg"):
        if sizes.get(name) == tuple(shape):
            return name
    raise ValueError(f"key: expected a key as jax.random.key makes it, got uint32 {shape}")
