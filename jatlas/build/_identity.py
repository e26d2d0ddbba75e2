"""What decides a result, as JSON values: networks, settings, keys, versions."""

import dataclasses
import hashlib
import importlib.metadata
import json
import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jatlas.build._custom_code import code_digest
from jatlas.build._kept_fingerprint import kept_fingerprint
from jatlas.model import Network, digest
from jatlas.records import Atlas, Icons, Samples
from jatlas.storage import Arrays
from jatlas.types import HostArray, Key, Params, as_key
from jatlas.visualize import Constant

log = logging.getLogger(__name__)

LAYOUT_PACKAGES = (
    "jax", "jaxlib", "numba", "numpy", "optax", "pynndescent", "scikit-learn", "scipy",
    "umap-learn",
)  # fmt: skip
LABELS = "labels"
"""The name of what decides the names of cells, among the stages of an atlas."""
RECALL = "neighbor_recall"
"""Where an atlas's info holds the recall of each layer's neighbours, see `jatlas.arrange`."""

_PACKAGES = ("jatlas", "jax", "jaxlib", "numpy", "optax", "scikit-learn", "umap-learn")


def settings(config: Any) -> dict[str, Any]:
    """Return the fields of a config as JSON values; nested configs name their kind."""
    return {field.name: _json(getattr(config, field.name)) for field in dataclasses.fields(config)}


def _json(value: Any) -> Any:
    if isinstance(value, Constant):
        return {"sha256": digest(np.asarray(value))}
    if dataclasses.is_dataclass(value):
        kind = type(value)
        code = {} if kind.__module__.startswith("jatlas.") else {"code_sha256": code_digest(kind)}
        return {"kind": kind.__name__} | code | settings(value)
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return value


def network_identity(network: Network, params: Params) -> dict[str, Any]:
    """Return what decides what a network computes."""
    weights = digest(params)
    code = kept_fingerprint(network, params, weights_sha256=weights)
    return {"network": network.name, "weights_sha256": weights, "code_sha256": code}


def versions() -> dict[str, str]:
    """Return the versions of everything that takes part."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return packages | {"python": platform.python_version()}


def deciding_versions(*names: str) -> dict[str, Any]:
    """Return the versions of packages that decide a stage, and JAX's settings that do."""
    packages = {name: importlib.metadata.version(name) for name in ("jatlas", *names)}
    return packages | jax_settings()


def jax_settings() -> dict[str, Any]:
    """Return JAX's settings that change random numbers or rounding."""
    switches = ("jax_enable_x64", "jax_threefry_partitionable", "jax_default_matmul_precision")
    return {name: getattr(jax.config, name) for name in switches}


def parts_of(key: Key) -> tuple[Key, Key, Key]:
    """Return the keys of the samples, of the layout and of the icons."""
    for_samples, for_layout, for_icons = jax.random.split(as_key(key), 3)
    return for_samples, for_layout, for_icons


def seed_of(key: Key) -> list[int]:
    """Return the numbers of a key, for the record of what was made with it."""
    numbers: list[int] = np.asarray(jax.random.key_data(as_key(key))).tolist()
    return numbers


def key_data(key: Key) -> list[Any]:
    """Return what a key holds: its implementation and its numbers."""
    return [str(jax.random.key_impl(key)), np.asarray(jax.random.key_data(key)).tolist()]


def differences(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Name the values in which two descriptions differ, for a message; "" if they are equal.

    Example:
      >>> differences({"seed": 1, "icons": {"steps": 96}}, {"seed": 1, "icons": {"steps": 512}})
      'icons.steps: 96 there, 512 now'
    """
    there, now = _flat(stored), _flat(json.loads(json.dumps(wanted)))
    names = [name for name in sorted({*there, *now}) if there.get(name) != now.get(name)]
    return "; ".join(
        f"{name}: {_short(there.get(name))} there, {_short(now.get(name))} now" for name in names
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def results_of(atlas: Atlas) -> dict[str, Callable[[], Arrays]]:
    """Return the results of stages that an atlas holds, by digest."""
    digests, recall = atlas.info.get("stages", {}), atlas.info.get(RECALL, {})
    results: dict[str, Callable[[], Arrays]] = {}

    def add(stage: str, arrays: dict[str, HostArray | None]) -> None:
        if stage in digests:
            present = {name: array for name, array in arrays.items() if array is not None}
            results[digests[stage]] = lambda: present

    for each in atlas.maps:
        samples = {x.name: getattr(each.samples, x.name) for x in dataclasses.fields(Samples)}
        if each.kind == "layer":
            add(samples_name(each.layer), samples)
        share = recall.get(each.path)
        placed = {"points": each.points, "rows": each.rows}
        add(points_name(each.path), placed | {"recall": None if share is None else np.array(share)})
        for grid in each.grids:
            icons = {x.name: getattr(grid.icons, x.name) for x in dataclasses.fields(Icons)}
            add(icons_name(each.path, grid.size), icons)
            near = {name: getattr(grid, name) for name in ("exemplars", "crops", "boxes")}
            add(exemplars_name(each.path, grid.size), near)
    return results


def labels_digest(
    labels: Sequence[str | None] | str | None, parents: Mapping[str, Sequence[str]] | None, by: str
) -> str:
    """Return what decides the names of an atlas's cells, next to its samples."""
    kinds = None if parents is None else {name: list(x) for name, x in sorted(parents.items())}
    given = labels if labels is None or isinstance(labels, str) else list(labels)
    return hashlib.sha256(json.dumps([given, kinds, by]).encode()).hexdigest()


def samples_name(layer: str) -> str:
    """Return the name of the stage that samples a layer."""
    return f"{layer}-samples"


def stage_digest(atlas: Atlas, name: str, results: Any) -> str:
    """Return the digest of a stage of an atlas; that of its results, a PyTree, if it has none."""
    known: str | None = atlas.info.get("stages", {}).get(name)
    return known or digest(results)


def points_name(path: str) -> str:
    """Return the name of the stage that lays a map out."""
    return f"{path}-points"


def icons_name(path: str, size: int) -> str:
    """Return the name of the stage that renders the icons of a map's grid."""
    return f"{path}-icons-{size}"


def exemplars_name(path: str, size: int) -> str:
    """Return the name of the stage that finds the exemplars of a map's grid."""
    return f"{path}-exemplars-{size}"


def check_network(atlas: Atlas, network: Network, params: Params) -> str:
    """Check that an atlas is of a network with these parameters and names of classes.

    If its code has changed, its gradients say, a warning is logged.

    Returns:
      `code_sha256` of the network, for the digests of what it computes.

    Raises:
      ValueError: if it is of another network, or the classes have other names.
    """
    now = network_identity(network, params)
    for name in ("network", "weights_sha256"):
        stored = atlas.info.get(name)
        if stored != now[name]:
            raise ValueError(f"{name}: expected that of the atlas, {stored}, got {now[name]}")
    if network.classes and atlas.classes and network.classes != atlas.classes:
        raise ValueError(f"classes: {classes_differ(atlas.classes, network.classes)}")
    code: str = now["code_sha256"]
    same_versions = atlas.info.get("versions", {}).get("jax") == versions()["jax"]
    if same_versions and atlas.info.get("code_sha256") not in (None, code):
        log.warning("the code of the network has changed since the atlas was built")
    return code


def classes_differ(there: tuple[str, ...], now: tuple[str, ...]) -> str:
    """Say how the classes of an atlas and of a network differ, for a message."""
    if len(there) != len(now):
        return f"{len(there)} names there, {len(now)} now"
    index = next(i for i in range(len(now)) if there[i] != now[i])
    return f"class {index} is {there[index]!r} there, {now[index]!r} now"
