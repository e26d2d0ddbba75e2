"""TPU without a TPU: programs compile for one ahead of time, and fit into its memory.

libtpu has the compiler. It must not be in the environment of the other tests, as JAX would then
look for a TPU: it is expected in a folder of its own, made with

    pip install --no-deps --target FOLDER libtpu

that the environment variable JATLAS_LIBTPU names.
"""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from jatlas.collect import _extract as samples
from jatlas.model import CONFIGS, GOOGLENET_BVLC, InceptionConfig, abstract_params, inception_v1
from jatlas.visualize import RenderConfig
from jatlas.visualize import _optimize as optimize

MEMORY = 16e9  # of a v5e chip
LAYER, CHANNELS = "mixed4c", 512
COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
TOPOLOGIES = {"v5e:2x2": 4, "v5e:4x4": 16}


def main() -> None:
    """Compile for the topologies named on the command line; print a line of JSON for each."""
    for job in sys.argv[1:]:
        kind, topology, *precision = job.split(",")
        devices = _devices(topology)
        compiled = _render(devices, *precision) if kind == "render" else _extract(devices)
        found = compiled.memory_analysis()
        needs = found.argument_size_in_bytes + found.output_size_in_bytes
        needs += found.temp_size_in_bytes - found.alias_size_in_bytes
        text = compiled.as_text()
        line = {
            "devices": len(devices),
            "kind": devices[0].device_kind,
            "bytes": needs + found.generated_code_size_in_bytes,
            "collectives": [name for name in COLLECTIVES if name in text],
            "products": _products(text),
            "jax": jax.__version__,
        }
        print(json.dumps(line), flush=True)


def _devices(topology: str) -> list[Any]:
    from jax.experimental import topologies

    return list(topologies.get_topology_desc(platform="tpu", topology_name=topology).devices)


def _render(devices: list[Any], precision: str) -> Any:
    """Compile a step of 16 icons for each chip."""
    mesh = Mesh(np.array(devices), (optimize.ICONS,))
    config = RenderConfig(precision=precision)
    task = optimize.Task(inception_v1(GOOGLENET_BVLC), LAYER, config, mesh)
    count = 16 * len(devices)

    def placed(tree: Any, spec: P) -> Any:
        def place(leaf: Any) -> jax.ShapeDtypeStruct:
            sharding = NamedSharding(mesh, spec if leaf.ndim else P())
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

        return jax.tree.map(place, tree)

    key = jax.eval_shape(lambda: jax.random.key(0))
    ids = jax.ShapeDtypeStruct((count,), jnp.int32)
    state = jax.eval_shape(functools.partial(optimize.init, task), ids, ids, key=key)
    goals = optimize.Goal(jax.ShapeDtypeStruct((count, CHANNELS), jnp.float32))
    return optimize.step.lower(
        task,
        placed(abstract_params(GOOGLENET_BVLC), P()),
        placed(state, P(optimize.ICONS)),
        placed(goals, P(optimize.ICONS)),
        0,
        steps=config.steps,
        key=placed(key, P()),
    ).compile()


def _extract(devices: list[Any]) -> Any:
    """Compile 64 images of 224 px, which is a program for one chip."""
    there = SingleDeviceSharding(devices[0])

    def shape(*sizes: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sizes, dtype, sharding=there)

    params = abstract_params(GOOGLENET_BVLC)
    return samples.extract.lower(
        inception_v1(GOOGLENET_BVLC),
        jax.tree.map(lambda leaf: shape(*leaf.shape, dtype=leaf.dtype), params),
        shape(64, 224, 224, 3, dtype=jnp.uint8),
        shape(64, dtype=jnp.int32),
        {LAYER: shape(CHANNELS, CHANNELS)},
        shape(64),
        per_image=1,
        key=shape(dtype=jax.random.key(0).dtype),
    ).compile()


def _products(text: str) -> dict[str, int]:
    """Count a program's convolutions and matrix products by the types of what they multiply.

    Those of a higher precision are excluded: the discrete Fourier transform, the resampling, the
    normalization and the colours.
    """
    counts: dict[str, int] = {}
    types: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.strip().removeprefix("ROOT ").partition(" = ")
        if name.startswith("%"):
            types[name] = value.partition("[")[0]
        _, found, rest = value.partition(" convolution(")
        if found and "operand_precision={high" not in rest:
            operands = rest.partition(")")[0].split(", ")
            key = " x ".join(types.get(each.split()[-1], "?") for each in operands)
            counts[key] = counts.get(key, 0) + 1
    return counts


def compile_for(*jobs: str) -> list[dict[str, Any]]:
    """Run `main` in a process that finds libtpu."""
    folder = os.environ.get("JATLAS_LIBTPU")
    if not folder or not (Path(folder) / "libtpu").is_dir():
        pytest.skip("JATLAS_LIBTPU names no folder with libtpu: nothing to compile for a TPU with")
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")])),
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_ACCELERATOR_TYPE": "v5litepod-4",
        "TPU_CHIPS_PER_HOST_BOUNDS": "2,2,1",
        "TPU_HOST_BOUNDS": "1,1,1",
        "TPU_WORKER_ID": "0",
        "TPU_WORKER_HOSTNAMES": "localhost",
    }
    command = [sys.executable, str(Path(__file__).resolve()), *jobs]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("topology", "precision"), [("v5e:2x2", "float32"), ("v5e:4x4", "bfloat16")]
)
def test_rendering_compiles_for_a_tpu(topology: str, precision: str) -> None:
    (found,) = compile_for(f"render,{topology},{precision}")
    assert found["devices"] == TOPOLOGIES[topology] and "v5" in found["kind"]
    assert 1e6 < found["bytes"] < MEMORY
    assert found["collectives"] == []
    if precision == "bfloat16":
        # The operands of convolutions; they accumulate in float32, and may return it.
        assert found["products"]["bf16 x bf16"] >= 40, found["products"]
        assert not set(found["products"]) - {"bf16 x bf16"}, found["products"]


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS.values(), ids=lambda each: each.name)
def test_half_precision_holds_in_every_layer(
    config: InceptionConfig,
) -> None:
    """Checked before compiling: a TPU rounds float32 to bfloat16 itself."""
    network = inception_v1(config)
    half = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16),
        abstract_params(config),
    )
    image = jax.ShapeDtypeStruct((64, 64, 3), jnp.bfloat16)
    for layer in network.layers:
        found = jax.eval_shape(functools.partial(network.run, until=layer), half, image)
        assert found.dtype == jnp.bfloat16, layer


@pytest.mark.slow
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_extraction_compiles_for_a_tpu(topology: str) -> None:
    (found,) = compile_for(f"extract,{topology}")
    assert found["devices"] == TOPOLOGIES[topology]
    assert 64 * 224 * 224 * 3 < found["bytes"] < MEMORY
    assert found["collectives"] == []


if __name__ == "__main__":
    main()
