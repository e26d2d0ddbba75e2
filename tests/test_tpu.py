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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jatlas.arrange import _exact as exact
from jatlas.arrange import _ring as ring
from jatlas.arrange._devices import mesh_of, sharded
from jatlas.collect import _extract as samples
from jatlas.model import CONFIGS, GOOGLENET_BVLC, InceptionConfig, abstract_params, inception_v1
from jatlas.visualize import RenderConfig
from jatlas.visualize import _optimize as optimize

MEMORY = 16e9  # of a v5e chip
LAYER, CHANNELS = "mixed4c", 512
COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
TOPOLOGIES = {"v5e:2x2": 4, "v5e:4x4": 16}


def main() -> None:
    """Compile what the command line names, and print a line of JSON for each.

    Each argument is what, for which topology, and of what: `render,v5e:2x2,float32`,
    `extract,v5e:4x4,mixed4c`, `replicated,v5e:4x4,1000000,512` or `ring,v5e:4x4,1000000,512`.
    """
    for job in sys.argv[1:]:
        kind, topology, *given = job.split(",")
        devices = _devices(topology)
        jobs: dict[str, Callable[..., dict[str, Any]]] = {
            "render": _render, "extract": _extract, "replicated": _replicated, "ring": _ring,
        }  # fmt: skip
        for name, compiled in jobs[kind](devices, *given).items():
            _report(job, name, compiled, devices)


def _report(job: str, name: str, compiled: Any, devices: list[Any]) -> None:
    found = compiled.memory_analysis()
    needs = found.argument_size_in_bytes + found.output_size_in_bytes
    needs += found.temp_size_in_bytes - found.alias_size_in_bytes
    text = compiled.as_text()
    line = {
        "job": job,
        "program": name,
        "devices": len(devices),
        "kind": devices[0].device_kind,
        "bytes": needs + found.generated_code_size_in_bytes,
        "temporary": found.temp_size_in_bytes,
        "flops": compiled.cost_analysis().get("flops"),
        "read and written": compiled.cost_analysis().get("bytes accessed"),
        "collectives": {name: text.count(f" {name}") for name in COLLECTIVES if name in text},
        "products": _products(text),
        "jax": jax.__version__,
    }
    print(json.dumps(line), flush=True)


def _devices(topology: str) -> list[Any]:
    from jax.experimental import topologies

    return list(topologies.get_topology_desc(platform="tpu", topology_name=topology).devices)


def _render(devices: list[Any], precision: Any, icons: str = "16") -> dict[str, Any]:
    """Compile a step of some icons for each chip."""
    mesh = Mesh(np.array(devices), (optimize.ICONS,))
    config = RenderConfig(precision=precision)
    task = optimize.Task(inception_v1(GOOGLENET_BVLC), LAYER, config, mesh)
    count = int(icons) * len(devices)

    def placed(tree: Any, spec: P) -> Any:
        def place(leaf: Any) -> jax.ShapeDtypeStruct:
            sharding = NamedSharding(mesh, spec if leaf.ndim else P())
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

        return jax.tree.map(place, tree)

    key = jax.eval_shape(lambda: jax.random.key(0))
    ids = jax.ShapeDtypeStruct((count,), jnp.int32)
    state = jax.eval_shape(functools.partial(optimize.init, task), ids, ids, key=key)
    goals = optimize.Goal(jax.ShapeDtypeStruct((count, CHANNELS), jnp.float32))
    lowered = optimize.step.lower(
        task,
        placed(abstract_params(GOOGLENET_BVLC), P()),
        placed(state, P(optimize.ICONS)),
        placed(goals, P(optimize.ICONS)),
        0,
        steps=config.steps,
        key=placed(key, P()),
    )
    return {"step": lowered.compile()}


def _extract(devices: list[Any], *layers: str) -> dict[str, Any]:
    """Compile a batch of 64 images of 224 px for each chip, as `collect` shares it out."""
    mesh = Mesh(np.array(devices), (samples.IMAGES,))
    count = 64 * len(devices)

    everywhere, share = P(), P(samples.IMAGES)

    def shape(*sizes: int, dtype: Any = jnp.float32, spec: P = everywhere) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sizes, dtype, sharding=NamedSharding(mesh, spec))

    lowered = samples.extract_shares.lower(
        mesh,
        inception_v1(GOOGLENET_BVLC),
        jax.tree.map(lambda x: shape(*x.shape, dtype=x.dtype), abstract_params(GOOGLENET_BVLC)),
        shape(count, 224, 224, 3, dtype=jnp.uint8, spec=share),
        shape(count, dtype=jnp.int32, spec=share),
        shape(count, spec=share),
        layers=layers or (LAYER,),
        per_image=1,
        key=shape(dtype=jax.random.key(0).dtype),
    )
    return {"extract": lowered.compile()}


def _replicated(devices: list[Any], count: str, channels: str) -> dict[str, Any]:
    """Compile a step of the search for 50 neighbours with all vectors on each chip."""
    mesh, vectors, k = mesh_of(devices), int(count), 50
    block, width = exact.block_shape(vectors, exact.QUERY_BLOCK, exact.CANDIDATE_BLOCK)
    at_once = block * len(devices)
    whole = NamedSharding(mesh, P())
    lowered = exact.merge_block.lower(
        _best(mesh, at_once, k),
        jax.ShapeDtypeStruct((vectors, int(channels)), jnp.float32, sharding=whole),
        _shared(mesh, at_once, dtype=jnp.int32),
        jax.ShapeDtypeStruct((), jnp.int32, sharding=whole),
        width=width,
        metric="cosine",
        mesh=mesh,
    )
    return {"merge": lowered.compile()}


def _ring(devices: list[Any], count: str, channels: str) -> dict[str, Any]:
    """Compile the search for 50 neighbours with a part of the vectors on each chip."""
    mesh, vectors, k = mesh_of(devices), int(count), 50
    part = -(-vectors // len(devices))
    block, width = exact.block_shape(part, exact.QUERY_BLOCK, exact.CANDIDATE_BLOCK)
    at_once = block * len(devices)
    whole = NamedSharding(mesh, P())
    held = _shared(mesh, part * len(devices), int(channels))
    number = jax.ShapeDtypeStruct((), jnp.int32, sharding=whole)
    lowered = ring.merge_held.lower(
        _best(mesh, at_once, k),
        _shared(mesh, at_once, int(channels)),
        _shared(mesh, at_once, dtype=jnp.int32),
        held,
        number,
        number,
        count=vectors,
        width=width,
        metric="cosine",
        mesh=mesh,
    )
    return {"merge": lowered.compile(), "move": ring.move_on.lower(held, mesh=mesh).compile()}


def _best(mesh: Mesh, queries: int, k: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    return _shared(mesh, queries, k), _shared(mesh, queries, k, dtype=jnp.int32)


def _shared(mesh: Mesh, *sizes: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, dtype, sharding=sharded(mesh))


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
    assert found["collectives"] == {}
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
    assert found["collectives"] == {}


@pytest.mark.slow
@pytest.mark.parametrize("channels", [512, 1024])
def test_a_search_of_all_on_each_chip_compiles_for_a_tpu(channels: int) -> None:
    (found,) = compile_for(f"replicated,v5e:4x4,1000000,{channels}")
    assert found["devices"] == 16 and found["collectives"] == {}
    table = 4 * 1_000_000 * channels
    assert table < found["bytes"] < MEMORY
    assert table <= MEMORY / 2  # so that `fits` has each chip hold it


@pytest.mark.slow
def test_a_search_of_parts_that_go_round_compiles_for_a_tpu() -> None:
    merge, move = compile_for("ring,v5e:4x4,1000000,512")
    part = 4 * 1_000_000 * 512 // 16
    assert part < merge["bytes"] < MEMORY / 16 and merge["collectives"] == {}
    assert part < move["bytes"] < 3 * part
    assert set(move["collectives"]) == {"collective-permute"}


if __name__ == "__main__":
    main()
