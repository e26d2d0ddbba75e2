"""A made-up atlas for the tests of the viewer and the export."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jatlas.arrange import cell_index
from jatlas.records import Atlas, Grid, Icons, Info, Map, Samples
from jatlas.storage import save

PX = 16
SECRET = "/home/someone/private pictures"
HOSTILE = (
    "<img src=x onerror=\"document.title='pwned'\">",
    "</script><script>document.title='pwned'</script>",
    "\u202eright to left\u202c \"quotes\" 'and' `more` & \u2028 line",
    "x" * 10_000,
)
CLASSES = ("tabby cat", "tiger cat", "seashore, coast", "wok", "Crème brûlée", *HOSTILE)


def make(
    path: Path,
    *,
    sizes: tuple[int, ...] = (4, 8, 16),
    layers: int = 2,
    count: int = 1200,
    px: int = PX,
    classes: tuple[str, ...] = CLASSES,
    busy: bool = False,
) -> Path:
    """Save an atlas whose samples lie in a disc, mirrored in the second layer.

    With `busy`, icons are detailed, like real ones, and take as long to decode.
    """
    rng = np.random.default_rng(3)
    radius, angle = np.sqrt(rng.random(count)) * 0.46, rng.random(count) * 2 * np.pi
    points = 0.5 + np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    maps = []
    for number in range(layers):
        placed = (points if number % 2 == 0 else 1 - points).astype(np.float32)
        maps.append(_map(f"mixed4{'cdefg'[number]}", placed, sizes, px, len(classes), busy))
    info = {
        "network": "tiny",
        "seed": [0, 0],
        "settings": {"per_image": 2},
        "versions": {"jatlas": "0.1.0"},
        "source": {"root": SECRET, "images": 600},
        "skipped": [],
    }
    images = tuple(f"holiday/{HOSTILE[0].replace('/', '')}-{i}.jpg" for i in range(600))
    return save(Atlas(maps=tuple(maps), images=images, classes=classes, info=Info(info)), path)


def _map(
    layer: str, points: np.ndarray, sizes: tuple[int, ...], px: int, classes: int, busy: bool
) -> Map:
    # Evidence for class i grows in direction i: the same samples have it in every layer.
    angles = np.linspace(0, 2 * np.pi, classes, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    sign = 1 if layer == "mixed4c" else -1
    evidence = (sign * (points - 0.5) @ directions).astype(np.float32)
    grids = tuple(_grid(points, evidence, size, px, busy) for size in sizes)
    return Map(
        layer=layer,
        samples=Samples(
            vectors=np.zeros((len(points), 2), np.float32),
            source=np.zeros((len(points), 3), np.int32),
            evidence=evidence.astype(np.float16),
            moment=np.eye(2, dtype=np.float32),
        ),
        points=points,
        grids=grids,
    )


def _grid(points: np.ndarray, evidence: np.ndarray, size: int, px: int, busy: bool) -> Grid:
    index = np.asarray(cell_index(points, size=size))
    count = np.bincount(index, minlength=size * size).astype(np.int32)
    total = np.zeros((size * size, evidence.shape[1]), np.float32)
    np.add.at(total, index, evidence)
    cells = np.flatnonzero(count).astype(np.int32)
    return Grid(
        size=size,
        mean=np.zeros((size, size, 2), np.float32),
        count=count.reshape(size, size),
        evidence=(total / np.maximum(count, 1)[:, None]).reshape(size, size, -1),
        cells=cells,
        icons=Icons(
            images=np.stack([icon(int(cell), size, px=px) for cell in cells])
            + (_details(px) if busy else np.uint8(0)),
            scores=np.ones(len(cells), np.float32),
            cosines=np.full(len(cells), 0.5, np.float32),
        ),
    )


def icon(cell: int, size: int, *, px: int = PX) -> np.ndarray:
    """One colour per cell, (px, px, 3) uint8: red encodes the row, green the column."""
    row, column = divmod(cell, size)
    colour = (40 + 200 * row // size, 40 + 200 * column // size, 90)
    return np.full((px, px, 3), colour, np.uint8)


def _details(px: int) -> np.ndarray:
    coarse = np.random.default_rng(5).integers(0, 256, (px // 4, px // 4, 3), np.uint8)
    fine = Image.fromarray(coarse).resize((px, px), Image.Resampling.BICUBIC)
    return np.asarray(fine) // 4


def add_exemplars(folder: Path, *, layer: str, size: int, per_cell: int = 3, px: int = 8) -> None:
    """Give a grid exemplars and cosines in atlas.json, as another tool might."""
    text = (folder / "atlas.json").read_text()
    info: dict[str, Any] = json.loads(text)
    entry = next(m for m in info["maps"] if m["layer"] == layer)
    grid = next(g for g in entry["grids"] if g["size"] == size)
    crops = np.zeros((len(grid["cells"]), per_cell, px, px, 3), np.uint8)
    for i, cell in enumerate(grid["cells"]):
        for k in range(per_cell):
            crops[i, k] = (i % 200, 60 * k, 200)
        cell |= {"exemplars": [i, i + 1, i + 2], "cosine": 0.25}
    np.save(folder / layer / f"exemplars-{size}.npy", crops)
    grid["exemplars"] = {"per_cell": per_cell, "px": px}
    (folder / "atlas.json").write_text(json.dumps(info))


def edit(folder: Path, change: Any) -> None:
    """Change atlas.json by a function of what it holds."""
    path = folder / "atlas.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))
