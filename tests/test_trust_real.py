"""Whether the measures put in order what is known to be better and worse, with real weights."""

import dataclasses
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jatlas
from jatlas import collect
from jatlas.build import TrustConfig, check, directions
from jatlas.build._crops import crops
from jatlas.model import Network
from jatlas.records import Atlas, Grid
from jatlas.types import HostArray

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "JATLAS_SLOWEST" not in os.environ,
        reason="JATLAS_SLOWEST is not set: it builds an atlas of real weights for two minutes",
    ),
]
LAYER, SIZE, EVERY = "mixed4c", 12, 6
RUN = jatlas.Run(progress=False)
KEY = jax.random.key(0)
MEASURED = ("on target", "faithful", "natural")


class Sanity(NamedTuple):
    """Means over the cells, by what is shown as the icon; and each cell's."""

    noise: dict[str, HostArray]
    another: dict[str, HostArray]
    own: dict[str, HostArray]
    photograph: dict[str, HostArray]


def measure(network: Network, params: Any, atlas: Atlas, source: Any, layer: str) -> Sanity:
    """Measure icons of a grid, and what takes their place.

    An icon of another cell is that of the cell half of all away in the order of rows. The
    photograph is of the nearest place; the icons are all compared with the other places.
    """
    owner = atlas.find(layer)
    grid = owner.grids[0]
    assert grid.exemplars is not None
    icons = np.asarray(grid.icons.images)
    count, px = icons.shape[:2]
    first = np.asarray(owner.samples.source)[grid.exemplars[:, 0]]
    found = dict(crops(network, params, source, first, layer=layer, px=px))
    shown = {
        "noise": np.random.default_rng(0).integers(0, 256, icons.shape, np.uint8),
        "another": np.roll(icons, count // 2, axis=0),
        "own": icons,
        "photograph": np.stack([found[i] for i in range(count)]),
    }
    targets = _targets(atlas, layer)
    return Sanity(
        **{
            name: _measured(network, params, atlas, source, layer, grid, images, targets)
            for name, images in shown.items()
        }
    )


def _targets(atlas: Atlas, layer: str) -> HostArray:
    owner = atlas.find(layer)
    grid = owner.grids[0]
    means = grid.cell_means
    made = atlas.info["settings"]
    config = jatlas.CellConfig(whiten=made["whiten"], ridge=made["ridge"])
    return directions(means, owner.samples.moment, config=config)


def _measured(
    network: Network,
    params: Any,
    atlas: Atlas,
    source: Any,
    layer: str,
    grid: Grid,
    images: HostArray,
    targets: HostArray,
) -> dict[str, HostArray]:
    owner = atlas.find(layer)
    assert grid.exemplars is not None
    cosines = _cosines(network, params, images, targets, layer)
    replaced = dataclasses.replace(
        grid,
        icons=dataclasses.replace(grid.icons, images=images, cosines=cosines),
        exemplars=grid.exemplars[:, 1:],
    )
    maps = (dataclasses.replace(owner, grids=(replaced,)),)
    config = TrustConfig(places=3, skip=("stable", "pure", "distinct", "placed", "kept"))
    result = check(
        network, params, dataclasses.replace(atlas, maps=maps), key=KEY, images=source,
        config=config, run=RUN,
    )  # fmt: skip
    trust = result.find(layer).grids[0].trust
    assert trust is not None
    return {name.replace("_", " "): values for name, values in trust.measures.items()}


def _cosines(
    network: Network, params: Any, images: HostArray, targets: HostArray, layer: str
) -> HostArray:
    @jax.jit
    def cosine(image: jax.Array, target: jax.Array) -> jax.Array:
        seen = network.center(params, image / jnp.float32(255), until=layer)[0, 0]
        lengths = jnp.linalg.norm(seen) * jnp.linalg.norm(target)
        return jnp.vdot(seen, target) / jnp.maximum(lengths, 1e-9)

    pairs = zip(images.astype(np.float32), targets, strict=True)
    return np.array([cosine(image, target) for image, target in pairs], np.float32)


@pytest.fixture(scope="module")
def found(googlenet: tuple[Network, Any], test_data: Path) -> Sanity:
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    network, params = googlenet
    whole = collect.folder(test_data / "imagenet_sample", size=network.input_size)
    source = dataclasses.replace(whole, paths=whole.paths[::EVERY])
    config = jatlas.BuildConfig(per_image=8)
    atlas = jatlas.build(
        network, params, source,
        layers=(LAYER,), grids=(SIZE,), key=KEY, config=config, run=RUN,
    )  # fmt: skip
    try:
        return measure(network, params, atlas, source, LAYER)
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def means(found: Sanity, measure: str) -> list[float]:
    return [float(np.nanmean(shown[measure])) for shown in found]


def share(better: HostArray, worse: HostArray) -> float:
    """Return how many of the cells keep an order, of those in which both are known."""
    known = np.isfinite(better) & np.isfinite(worse)
    return float((better > worse)[known].mean())


def test_faithful_puts_noise_before_other_cells_before_the_own_before_a_photograph(
    found: Sanity,
) -> None:
    noise, another, own, photograph = means(found, "faithful")
    assert noise < another < own < photograph
    assert share(found.own["faithful"], found.another["faithful"]) > 0.6


def test_an_icon_is_more_on_target_than_noise_and_than_that_of_another_cell(
    found: Sanity,
) -> None:
    # Which of these two is worse is not said: what another icon excites may be the opposite.
    noise, another, own, _ = means(found, "on target")
    assert 5 * max(noise, another) < own
    assert share(found.own["on target"], found.another["on target"]) > 0.95


def test_natural_knows_no_cell_but_noise(found: Sanity) -> None:
    noise, another, own, photograph = means(found, "natural")
    assert another == pytest.approx(own, rel=1e-5)
    assert noise < own < photograph
    assert (found.own["natural"] > noise).mean() > 0.5
