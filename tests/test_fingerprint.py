"""The identity of a network: whatever decides its results changes it, and nothing else does."""

import dataclasses
import functools
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import STAGES, tiny_network, tiny_params

import jatlas.model
from jatlas.model import TEXTURES, Network, digest, fingerprint, inception_v1, relaxed_max_pool
from jatlas.model import _fingerprint as code


def network_of(stage: Callable[..., Any], **changes: Any) -> Network:
    return dataclasses.replace(tiny_network(), stages=(*STAGES[:2], ("x", stage)), **changes)


def identity(network: Network, params: Any = None) -> str:
    return fingerprint(network, tiny_params() if params is None else params)


def softplus(params: Any, x: jax.Array) -> jax.Array:
    return jax.nn.softplus(x)


def test_an_equal_network_of_new_functions_has_the_same_fingerprint() -> None:
    def again(params: Any, x: jax.Array) -> jax.Array:
        return jax.nn.softplus(x)

    first, second = network_of(softplus), network_of(again)
    assert first != second
    assert identity(first) == identity(second) == identity(first)
    assert len(identity(first)) == 64


def test_names_version_weights_and_size_decide_it() -> None:
    network, params = network_of(softplus), tiny_params()
    others = [
        dataclasses.replace(network, name="other"),
        dataclasses.replace(network, version="2"),
        dataclasses.replace(network, input_size=24),
        dataclasses.replace(network, stages=(*network.stages[:2], ("y", softplus))),
        dataclasses.replace(network, stages=network.stages[:2]),
        dataclasses.replace(network, redirected=tiny_network()),
        dataclasses.replace(network, centers=(("x", lambda params, x: x[:1, :1]),)),
    ]
    changed = params | {"bias": params["bias"] + 1}
    found = [*map(identity, (network, *others)), identity(network, changed)]
    assert len(set(found)) == len(found)


def test_class_names_do_not_decide_it() -> None:
    network = network_of(softplus)
    assert identity(network) == identity(dataclasses.replace(network, classes=("a", "b")))


def test_an_edited_stage_has_another_fingerprint() -> None:
    large = np.arange(5000.0, dtype=np.float32)  # abbreviated when printed

    def closed_over(values: np.ndarray) -> Network:
        return network_of(lambda params, x: x + values.sum() + jnp.asarray(values)[None, None, :8])

    def jitted(values: np.ndarray) -> Network:
        return network_of(
            lambda params, x: jax.jit(lambda x: x + jnp.asarray(values)[None, None, :8])(x)
        )

    other = large.copy()
    other[2500] += 1
    networks = [
        network_of(softplus),
        network_of(lambda params, x: 2 * jax.nn.softplus(x)),
        network_of(lambda params, x: jax.nn.relu(x)),
        *(make(values) for make in (closed_over, jitted) for values in (large, other)),
    ]
    assert len({identity(network) for network in networks}) == len(networks)


def custom(factor: float, *, forward: bool) -> Callable[..., Any]:
    """Return a stage that is the identity, with a gradient of its own."""
    if forward:
        scale = jax.custom_jvp(lambda x: x)
        scale.defjvp(lambda primals, tangents: (primals[0], factor * tangents[0]))
    else:
        scale = jax.custom_vjp(lambda x: x)
        scale.defvjp(lambda x: (x, None), lambda _, gradient: (factor * gradient,))
    return lambda params, x: scale(x)


@pytest.mark.parametrize("forward", [True, False])
def test_an_edited_gradient_has_another_fingerprint(forward: bool) -> None:
    first, second = (network_of(custom(factor, forward=forward)) for factor in (1.0, 2.0))
    assert identity(first) != identity(second)


def test_a_relaxed_pool_has_another_fingerprint_and_a_function_no_address() -> None:
    pools = [functools.partial(relaxed_max_pool, stride=stride, caffe=False) for stride in (1, 2)]
    networks = [network_of(lambda params, x, pool=pool: pool(x)) for pool in (*pools, *pools)]
    first, second, *same = map(identity, networks)
    assert first != second
    assert same == [first, second]


def test_a_stage_without_a_reverse_gradient_is_identified_by_its_value() -> None:
    def doubled(limit: float) -> Network:
        def stage(params: Any, x: jax.Array) -> jax.Array:
            return jax.lax.while_loop(lambda x: x.sum() < limit, lambda x: 2 * x + 1, x)

        return network_of(stage)

    assert identity(doubled(10.0)) == identity(doubled(10.0)) != identity(doubled(20.0))


def test_the_digest_of_the_weights_can_be_passed_on() -> None:
    network, params = network_of(softplus), tiny_params()
    given = fingerprint(network, params, weights_sha256=digest(params))
    assert given == identity(network)
    shapes = jax.eval_shape(lambda: params)
    assert given == fingerprint(network, shapes, weights_sha256=digest(params))


def test_a_stage_that_fails_is_not_passed_over() -> None:
    def stage(params: Any, x: jax.Array) -> jax.Array:
        raise ValueError("too small")

    with pytest.raises(ValueError, match="too small"):
        identity(network_of(stage))


@pytest.mark.slow
def test_another_process_gives_the_same_fingerprint() -> None:
    code = (
        "from helpers import *; from jatlas.model import *; "
        "print(fingerprint(tiny_network(), tiny_params()))"
    )
    paths = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONHASHSEED": "12", "PYTHONPATH": paths}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == identity(tiny_network())


@pytest.mark.slow
def test_inception_configs_and_gradients_have_fingerprints_of_their_own() -> None:
    narrow = dataclasses.replace(TEXTURES, width=0.02)
    normalized = dataclasses.replace(narrow, lrn_alpha=1e-4, lrn_radius=2)
    params = jatlas.model.abstract_params(narrow)
    networks = [
        inception_v1(narrow),
        inception_v1(narrow, relaxed=True),
        inception_v1(normalized),
        inception_v1(dataclasses.replace(narrow, mean=(1.0, 2.0, 3.0))),
        inception_v1(dataclasses.replace(narrow, caffe_padding=True)),
    ]
    # A layer of each kind, as far as the first block.
    until = networks[0].index("mixed3a") + 1
    beginnings = [
        dataclasses.replace(network, stages=network.stages[:until], centers=(), redirected=None)
        for network in networks
    ]
    found = {fingerprint(network, params, weights_sha256="x") for network in beginnings}
    assert len(found) == len(networks)


def test_a_terminal_does_not_change_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX prints programs in colours there."""
    from jax._src import pretty_printer

    plain = fingerprint(tiny_network(), tiny_params())
    monkeypatch.setattr(pretty_printer, "CAN_USE_COLOR", True)
    assert "\x1b[" in str(jax.make_jaxpr(lambda x: x + 1)(1.0))
    code._code_digest.cache_clear()
    assert fingerprint(tiny_network(), tiny_params()) == plain
