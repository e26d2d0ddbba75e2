"""How far the icons of a grid can be trusted."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from jatlas.build import _identity as identity
from jatlas.build._cell_pictures import nearest_samples
from jatlas.build._cells import directions
from jatlas.build._config import CellConfig
from jatlas.build._icons import draw_icons
from jatlas.build._seen import Numbered, Seen, layers_before, real_places, see, shown_side
from jatlas.build._stored_config import stored_cells
from jatlas.build._trust_config import TrustConfig
from jatlas.collect import ImageSource
from jatlas.explain import faithful, natural, stable
from jatlas.model import Network
from jatlas.records import Atlas, Grid, Map
from jatlas.storage import CachedStage
from jatlas.types import HostArray, Key, Params, Run

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class IconInput:
    """What the measures of icons have in common.

    Attributes:
      network: the network.
      params: its parameters.
      atlas: the atlas.
      map: a map of it.
      grid: a grid of the map.
      images: the source of its images, which can be read again; None if there is none.
      config: settings of the measures.
      run: how they are carried out.
    """

    network: Network
    params: Params
    atlas: Atlas
    map: Map
    grid: Grid
    images: ImageSource | None
    config: TrustConfig
    run: Run

    @property
    def side(self) -> int:
        """Side in pixels at which icons are shown to the network."""
        px = self.grid.icons.images.shape[1]
        return shown_side(self.network, self.params, px, layer=self.map.layer)

    @property
    def cells(self) -> CellConfig:
        """How the cells became pictures, or are to become some."""
        if self.config.icons is None:
            return stored_cells(self.atlas, self.map, self.grid)
        unknown = dataclasses.replace(self.grid, settings=None)
        try:
            made = stored_cells(self.atlas, self.map, unknown)
        except ValueError:
            made = CellConfig()
        return dataclasses.replace(made, icons=self.config.icons)


def naturalness(given: IconInput, distances: HostArray) -> HostArray:
    """Measure `natural` of the icons of a grid; `distances` are as it takes them."""
    seen = _see_icons(given, given.grid.icons.images, layers=(), last=given.map.layer)
    assert seen.inside is not None
    return natural(seen.inside, given.map.samples.vectors, distances)


def faithfulness(given: IconInput) -> HostArray | None:
    """Measure `faithful` of the icons of a grid, the mean over earlier layers.

    Returns:
      (m,) float32; None if there is no earlier layer, or neither images nor crops.
    """
    layer, grid = given.map.layer, given.grid
    layers = layers_before(
        given.network, given.params, given.side, layer=layer, count=given.config.layers
    )
    if not layers or (given.images is None and grid.crops is None):
        log.info("%s: not faithful: no layer before, no images or no crops", given.map.path)
        return None
    rows = _place_rows(given)
    count = rows.size
    pictures = real_places(
        given.network, given.params, given.images, given.map.samples.source, rows, grid, layer=layer
    )
    places = see(
        given.network, given.params, pictures,
        count=count, side=given.side, layers=layers, run=given.run, what="places",
    )  # fmt: skip
    icons = _see_icons(given, grid.icons.images, layers=layers)
    present = jnp.asarray(places.present.reshape(rows.shape))
    each = [
        np.asarray(faithful(jnp.asarray(one), jnp.asarray(real.reshape(*rows.shape, -1)), present))
        for one, real in zip(icons.means, places.means, strict=True)
    ]
    known = np.isfinite(each)
    total = np.where(known, each, 0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return (total / known.sum(axis=0)).astype(np.float32)


def stability(given: IconInput, *, key: Key) -> HostArray:
    """Measure `stable` of the icons of a grid: they are rendered with another key."""
    owner, grid, cells = given.map, given.grid, given.cells
    targets = directions(given.grid.cell_means, owner.samples.moment, config=cells)
    stage = CachedStage.begin(
        given.run.cache,
        f"{owner.path}-other-icons-{grid.size}",
        samples=identity.stage_digest(
            given.atlas, identity.points_name(owner.path), (owner.points, owner.samples)
        ),
        weights_sha256=given.atlas.info.get("weights_sha256"),
        cells=grid.cells.tolist(),
        settings=identity.settings(cells),
        key=identity.key_data(key),
        versions=identity.deciding_versions("jax", "jaxlib", "optax"),
    )
    other = draw_icons(
        given.network, given.params, targets, grid.cells,
        layer=owner.layer, config=cells.icons, key=key, stage=stage, run=given.run,
    )  # fmt: skip
    first, second = (
        _see_icons(given, images, layers=(), last=owner.layer).inside
        for images in (grid.icons.images, other.images)
    )
    assert first is not None and second is not None
    return np.asarray(stable(jnp.asarray(first.mean(axis=1)), jnp.asarray(second.mean(axis=1))))


def _place_rows(given: IconInput) -> HostArray:
    """Return the samples whose places icons are compared with: (m, k), negative for none."""
    grid, count = given.grid, given.config.places
    if grid.exemplars is not None and given.images is None:  # crops are all there is
        return np.asarray(grid.exemplars)[:, :count]
    # An icon is to be compared with all that could be behind it, in its cell or not.
    return nearest_samples(
        given.grid.cell_means, given.map.samples, config=given.cells, count=count
    ).rows


def _see_icons(
    given: IconInput, icons: HostArray, *, layers: tuple[str, ...], last: str | None = None
) -> Seen:
    def numbered() -> Iterator[Numbered]:
        yield from enumerate(np.asarray(icons))

    return see(
        given.network, given.params, numbered(),
        count=len(icons), side=given.side, layers=layers, last=last, run=given.run, what="icons",
    )  # fmt: skip
