"""Pictures of cells where there is no network to render icons with."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jatlas.arrange import inverse
from jatlas.build._config import CellConfig
from jatlas.build._crops import can_reread, thumbnails
from jatlas.collect import ImageSource
from jatlas.explain import Exemplars, exemplars, own_exemplars
from jatlas.pixels import to_uint8
from jatlas.records import Icons, Samples
from jatlas.storage import Arrays, CachedStage
from jatlas.types import Array, HostArray

_COLOUR_PX = 16
_PERCENTILES = (2, 98)
_DARKEST, _LIGHTEST = 0.15, 0.85  # white is where there is no cell


def draw_cells(
    means: HostArray,
    samples: Samples,
    own: HostArray,
    images: ImageSource | None,
    *,
    config: CellConfig,
    stage: CachedStage,
) -> Icons:
    """Draw each cell as the image of its nearest sample; without images, as a colour.

    Args:
      means: (m, channels) of the cells.
      samples: of the map.
      own: (n,) which of the cells each sample lies in, negative for none.
      images: where their images are; None if that is not known.
      config: how large the pictures are, and whether angles are those of whitened vectors.
      stage: where the pictures are kept.

    Returns:
      Icons, uint8, whose scores and cosines are not known.
    """

    def draw() -> Arrays:
        pictures = _images(means, samples, own, images, config, folder=stage.folder)
        unknown = np.full(len(means), np.nan, np.float32)
        return {
            "images": colours(means) if pictures is None else pictures,
            "scores": unknown,
            "cosines": unknown,
        }

    return Icons(**stage.once(draw))


def _images(
    means: HostArray,
    samples: Samples,
    own: HostArray,
    images: ImageSource | None,
    config: CellConfig,
    *,
    folder: Path | None,
) -> HostArray | None:
    """Return the image of each cell's sample nearest to its mean; None if they cannot be read."""
    if not can_reread(images):
        return None
    near = own_samples(means, samples, own, config=config, count=1)
    made = thumbnails(
        None, None, images, samples.source, near.rows,
        layer="", px=config.icons.icon_size, folder=folder,
    )  # fmt: skip
    return None if made is None else made.crops[:, 0]


def nearest_samples(
    means: HostArray, samples: Samples, *, config: CellConfig, count: int
) -> Exemplars:
    """Find the samples nearest to each cell, in it or not, by the angle that its icon follows."""
    return exemplars(
        means, samples.vectors, samples.source[:, 0],
        count=count, inverse_moment=_moment(samples, config),
    )  # fmt: skip


def own_samples(
    means: HostArray, samples: Samples, own: HostArray, *, config: CellConfig, count: int
) -> Exemplars:
    """Find those of each cell's samples that are nearest to it, by the angle that its icon follows.

    Args:
      means: (m, channels) of the cells.
      samples: of the map.
      own: (n,) which of the cells each sample lies in, negative for none.
      config: whether angles are those of whitened vectors.
      count: samples of each cell.
    """
    return own_exemplars(
        means, samples.vectors, samples.source[:, 0], own,
        count=count, inverse_moment=_moment(samples, config),
    )  # fmt: skip


def _moment(samples: Samples, config: CellConfig) -> Array | None:
    if not config.whiten:
        return None
    return inverse(jnp.asarray(samples.moment), ridge=config.ridge)


def colours(means: HostArray) -> HostArray:
    """Give each cell a colour: like cells get like ones, as far as three numbers can say.

    Args:
      means: (m, channels); red, green and blue are their first three principal components.

    Returns:
      (m, px, px, 3) uint8, each of one colour.

    Example:
      >>> colours(np.array([[0.0], [0.5], [1.0]]))[:, 0, 0].tolist()
      [[38, 128, 128], [128, 128, 128], [217, 128, 128]]
    """
    centred = means - means.mean(axis=0)
    axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)[1][:, :-4:-1]
    axes = axes * np.where(axes.sum(axis=0) < 0, -1, 1)  # their signs are arbitrary
    shown = centred @ axes
    low, high = np.percentile(shown, _PERCENTILES, axis=0)
    spread = np.where(high > low, high - low, 1)
    share = np.where(high > low, np.clip((shown - low) / spread, 0, 1), 0.5)
    rgb = np.full((len(means), 3), 0.5)
    rgb[:, : share.shape[1]] = share
    flat = to_uint8(_DARKEST + (_LIGHTEST - _DARKEST) * rgb)
    return np.tile(flat[:, None, None], (1, _COLOUR_PX, _COLOUR_PX, 1))
