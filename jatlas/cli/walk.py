"""`jatlas walk`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from tyro.conf import Positional

from jatlas.cli._look import LookOptions, OpenLayer
from jatlas.cli._options import Place
from jatlas.explain import path_through_map
from jatlas.pixels import contact_sheet
from jatlas.storage import check_file, files


@dataclasses.dataclass(frozen=True, kw_only=True)
class Walk(LookOptions):
    """Show what lies on a straight line through the map of a layer, as a row of icons.

    Attributes:
      atlas: folder of the atlas, or its URL.
      out: file of the picture, a PNG.
      start: x and y where it begins: 0 0 is the top left corner of the map, 1 1 the opposite one.
      end: x and y where it ends.
      count: icons.
      samples: nearest samples that are averaged for each icon.
    """

    atlas: Positional[Place]
    out: Path
    start: tuple[float, float]
    end: tuple[float, float]
    count: int = 20
    samples: int = 20

    def run(self) -> None:
        """Draw it, and say how far the samples lie from the line."""
        check_file(self.out)
        opened = OpenLayer.of(self.atlas, self)
        line = path_through_map(
            jnp.asarray(opened.map.points),
            jnp.asarray(opened.map.samples.vectors),
            start=jnp.asarray(self.start),
            end=jnp.asarray(self.end),
            count=self.count,
            samples=self.samples,
        )
        icons = opened.icons(np.asarray(line.directions), seed=self.seed)
        files.write_image(self.out, contact_sheet(icons, columns=self.count))
        radii = " ".join(f"{x:.2f}" for x in line.radius.tolist())
        print(f"{self.out}: the samples of each icon lie within {radii} of the line")
