"""`jatlas check`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from tyro.conf import Positional

from jatlas.build import TrustConfig, check
from jatlas.cli import _session as session
from jatlas.cli._options import Place
from jatlas.cli._trust_page import page
from jatlas.cli._trust_report import Report, as_json, report_of, text
from jatlas.collect import ImageSource
from jatlas.model import Network
from jatlas.records import Atlas, Grid
from jatlas.show import export_folder, has_page
from jatlas.storage import add_map, check_file, files, load, local, working_folder
from jatlas.synthetic import Synthetic
from jatlas.types import GENERATOR, Params, Run, checks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """Measure how far each cell of an atlas can be trusted, and name those that mislead most.

    The measures are kept in the atlas, and on its page if it has one. What it holds already is not
    measured again. docs/trust.md says what each can and cannot tell.

    Attributes:
      atlas: folder of the atlas, or its URL.
      map: map to check, such as mixed4c or mixed4c-class-277. Without it, all.
      size: cells along each side of the grid to check. Without it, all.
      skip: measures to leave out, with commas between them: on_target, faithful, natural, stable,
        pure, distinct, placed, kept. "stable" renders every icon once more, and "placed" lays the
        samples out once more.
      neighbors: nearest samples that count on the map and as vectors.
      threshold: below which cells are counted.
      seed: seeds the icons and the layout that those of the atlas are compared with.
      json: file to write what is printed to, and every cell.
      html: page to write with histograms and the worst icons beside their real places.
      batch_size: pictures that go through the network at once.
      chunk: icons that are optimized at once; does not change the result. Without it, what fits.
    """

    resumes: ClassVar[bool] = True

    atlas: Positional[Place]
    map: str | None = None
    size: int | None = None
    skip: str = ""
    neighbors: int = TrustConfig.neighbors
    threshold: float = 0.2
    seed: int = 0
    json: Path | None = None
    html: Path | None = None
    batch_size: int = Run.batch_size
    chunk: int | None = None

    def run(self) -> None:
        """Measure, keep and report."""
        names = [name.strip().replace(" ", "_").replace("-", "_") for name in self.skip.split(",")]
        config = TrustConfig(skip=tuple(filter(None, names)), neighbors=self.neighbors)
        threshold = checks.number("threshold", self.threshold, minimum=0, maximum=1)
        for file in (self.json, self.html):
            check_file(file)
        folder = local(self.atlas)
        with working_folder(folder) as cache:
            stored = load(folder)
            network, params = _network_of(stored)
            run = Run(batch_size=self.batch_size, chunk=self.chunk, cache=cache)
            result = check(
                network, params, stored,
                key=session.make_key(self.seed), path=self.map, size=self.size,
                images=_images_of(stored), config=config, run=run,
            )  # fmt: skip
            _store(folder, result, stored)
        found = _reports(result, self.map, self.size, threshold)
        self._write(found)  # before anything is printed: to `head`, say
        for report, _ in found:
            print(text(report))
        for file in (self.json, self.html):
            if file is not None:
                print(file)

    def _write(self, found: list[tuple[Report, Grid]]) -> None:
        if self.json is not None:
            files.write_json(self.json, [as_json(report) for report, _ in found])
        if self.html is not None:
            title = f"How far the cells of {local(self.atlas).resolve().name} can be trusted"
            files.write_text(self.html, page(title, found))


def _network_of(atlas: Atlas) -> tuple[Network | None, Params]:
    """Load the network of an atlas; None for one that was built without."""
    if atlas.info.get("network") is not None:
        return session.open_network_of(atlas)
    session.start_jax()
    return None, None


def _images_of(atlas: Atlas) -> ImageSource | None:
    """Return the images of an atlas of synthetic ones; None for those in a folder."""
    source: dict[str, Any] = atlas.info.get("source", {})
    if source.get("kind") != "synthetic":
        return None
    numbers = jnp.asarray(source["key"], jnp.uint32)
    key = jax.random.wrap_key_data(numbers, impl=GENERATOR)
    return Synthetic(source["count"], key=key, size=source["size"], classes=source["classes"])


def _store(folder: Path, result: Atlas, stored: Atlas) -> None:
    """Write the maps that were measured, and the page of the atlas again if it has one."""
    changed = False
    for new, old in zip(result.maps, stored.maps, strict=True):
        if new is not old:
            add_map(folder, result, new)
            changed = True
    if changed and has_page(folder):
        export_folder(folder)


def _reports(
    atlas: Atlas, path: str | None, size: int | None, threshold: float
) -> list[tuple[Report, Grid]]:
    return [
        (report_of(owner.path, grid, threshold=threshold), grid)
        for owner in atlas.maps
        for grid in owner.grids
        if path in (None, owner.path) and size in (None, grid.size)
    ]
