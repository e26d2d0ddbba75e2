"""How near icons are to the real places of their cells: parameterizations, objectives, starts.

Usage: jatlas build IMAGES --network googlenet_bvlc --layer mixed4c --per-image 8 --out ATLAS
       python examples/18_natural_icons.py ATLAS LAYER [CELLS] [--sheet PICTURE.png]

Half of the images give references and starts, and icons are measured with the places and samples
of the other half. IMAGES must be where they were, named as 05_recovery.py says. CELLS, 48 if not
given, are spread over the map. All ways make as many passes through the network.
"""

import argparse
import dataclasses
import time

import jax
import numpy as np
from PIL import Image

import jatlas
from jatlas import MACO, Direction, Pixels, TotalVariation, Wasserstein
from jatlas.arrange import cell_index, inverse
from jatlas.build import TrustConfig, check, directions, place_crops, stored_cells
from jatlas.explain import exemplars, predictions
from jatlas.model import wnids
from jatlas.pixels import contact_sheet, to_uint8
from jatlas.visualize import low_pass

PLACES, SIGMA = 8, 3.0  # references of each icon; blur of a start in px
KEY, RUN, SHOWN = jax.random.key(0), jatlas.Run(progress=False), 12
MEASURED = TrustConfig(places=4, skip=("stable", "pure", "distinct", "placed", "kept"))


class Cells:
    """Some cells of a map: their targets, references, starts, and what icons are measured by."""

    def __init__(self, folder, layer, count):
        self.atlas, self.layer = jatlas.load(folder), layer
        self.network, self.params = jatlas.load_network(self.atlas.info["network"])
        self.map = self.atlas.layer(layer)
        grid, samples = self.map.grids[0], self.map.samples
        made = stored_cells(self.atlas, self.map, grid)
        self.config = dataclasses.replace(made.icons, retry_below=-1)
        self.cells = grid.cells[np.linspace(0, len(grid.cells) - 1, count).round().astype(int)]
        means = grid.mean.reshape(grid.size**2, -1)[self.cells]
        self.targets = directions(means, samples.moment, config=made)
        moment = inverse(samples.moment, ridge=made.ridge) if made.whiten else None
        even, odd = (np.flatnonzero(samples.source[:, 0] % 2 == i) for i in (0, 1))
        near, places = (
            exemplars(
                means, samples.vectors[rows], samples.source[rows, 0],
                count=number, inverse_moment=moment,
            ).rows
            for rows, number in ((even, PLACES), (odd, MEASURED.places))
        )  # fmt: skip
        views, px = self.config.views, self.config.icon_size
        side = min(round(views.size / views.typical(px)[0]), self.network.input_size)
        self.starts = self.crops(even[near[:, :1]], side=side, px=px)[:, 0]
        self.blurred = np.stack([low_pass(each, sigma=SIGMA) for each in self.starts]).clip(0, 1)
        crops = self.crops(even[near], side=views.size, px=views.size)
        run = jax.jit(lambda params, batch: self.network.run(params, batch, until=layer))
        seen = np.stack([run(self.params, each) for each in crops])
        self.references = seen.reshape(count, -1, seen.shape[-1])
        self.grid = dataclasses.replace(
            grid, cells=self.cells, exemplars=places, crops=None, names=None, trust=None
        )
        half = {"samples": samples.take(odd), "points": self.map.points[odd]}
        self.odd, self.present = dataclasses.replace(self.map, **half), self.classes()

    def crops(self, rows, *, side, px):
        own = {"path": self.map.path, "side": side, "px": px}
        return place_crops(self.network, self.params, self.atlas, rows, **own)

    def classes(self):  # how many samples of each cell are of each class
        index = {wnid: i for i, wnid in enumerate(wnids(self.network.name))}
        names = [name.split("/")[-1].split("_")[0] for name in self.atlas.images]
        truth = np.array([index[name] for name in names])[self.map.samples.source[:, 0]]
        cell = np.asarray(cell_index(self.map.points, size=self.grid.size))
        return np.stack([np.bincount(truth[cell == i], minlength=len(index)) for i in self.cells])

    def render(self, config, *, start=False, key=0):  # also returns seconds, without compiling
        given = {"layer": self.layer, "key": jax.random.key(key), "ids": self.cells, "run": RUN}
        references = self.references if config.objective.needs_references else None
        given |= {"references": references, "start": self.blurred if start else None}
        for each in (dataclasses.replace(config, steps=1), config):
            begun = time.perf_counter()
            icons = jatlas.render(self.network, self.params, self.targets, config=each, **given)
        return icons, time.perf_counter() - begun

    def measure(self, images):
        """Return faithful and natural, means over the cells, and the share that is recognized."""
        shown, unknown = to_uint8(images), np.full(len(images), np.nan, np.float32)
        icons = jatlas.Icons(images=shown, scores=unknown, cosines=unknown)
        grid = dataclasses.replace(self.grid, icons=icons)
        half = dataclasses.replace(self.odd, grids=(grid,))
        atlas = dataclasses.replace(self.atlas, maps=(half,))
        checked = check(self.network, self.params, atlas, key=KEY, config=MEASURED, run=RUN)
        trust = checked.maps[0].grids[0].trust
        guesses = predictions(self.network, self.params, shown, top=5)
        known = np.take_along_axis(self.present, guesses, axis=1).any(axis=1)
        return np.nanmean(trust.faithful), trust.natural.mean(), known.mean()


def ways(config, variation):
    """Return the changes of settings of each way, and whether it starts from a place."""
    aim, article = config.objective, dataclasses.replace(jatlas.paper(), retry_below=-1)
    some, more = (aim - weight * Wasserstein() for weight in (0.03, 0.1))
    adam = dataclasses.replace(config.optimizer, learning_rate=0.1)
    changes = {
        "default": ({}, False),
        "cosine power 2": ({"objective": Direction(power=2)}, False),
        "total variation": ({"objective": aim - variation * TotalVariation()}, False),
        "pixels": ({"parameterization": Pixels()}, False),
        "MACO": ({"parameterization": MACO(), "optimizer": adam}, False),
        "the article's": (vars(article) | {"steps": config.steps}, False),
        "places, weight 0.03": ({"objective": some}, False),
        "places, weight 0.1": ({"objective": more}, False),
        "start": ({}, True),
        "start, places 0.1": ({"objective": more}, True),
    }
    return {name: (dataclasses.replace(config, **a), b) for name, (a, b) in changes.items()}


def main(options):
    cells = Cells(options.atlas, options.layer, options.cells)
    print("| way | cosine | faithful | natural | recognized | seconds |\n|---|---|---|---|---|---|")
    print("| photograph | | {:.2f} | {:.2f} | {:.0%} | |".format(*cells.measure(cells.starts)))
    first, usual = cells.render(cells.config)
    variation = np.abs(np.diff(first.images, axis=1)).sum() / len(first.images)
    every, rows = -(-len(cells.cells) // SHOWN), [cells.starts]
    table = ways(cells.config, 0.05 * abs(first.scores.mean()) / float(variation))
    for name, (config, start) in table.items():
        for key in (0, 1) if name in {"default", "start, places 0.1"} else (0,):
            icons, seconds = cells.render(config, start=start, key=key)
            faithful, natural, known = cells.measure(icons.images)
            print(f"| {name}{', another key' * key} | {icons.cosines.mean():.3f} |", end=" ")
            print(f"{faithful:.2f} | {natural:.2f} | {known:.0%} | {seconds / usual:.2f} |")
            rows.append(icons.images)
    print(f"default: {usual / len(cells.cells):.2f} seconds for an icon")
    shown = to_uint8(np.concatenate([row[::every] for row in rows]))
    if options.sheet:
        Image.fromarray(contact_sheet(shown, columns=len(shown) // len(rows))).save(options.sheet)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("atlas", "layer"):
        parser.add_argument(name)
    parser.add_argument("cells", nargs="?", type=int, default=48)
    parser.add_argument("--sheet")
    main(parser.parse_args())
