"""An atlas folder as the named parts that the viewer asks for, one at a time.

Text and numbers are JSON, arrays are base64 inside it, pictures are JPEG and PNG. The names:
`atlas` (the manifest), `m0-thumb`, `m0-samples`, and for each grid `m0-g20` (its cells),
`m0-g20-0-3-4` (the tile at level 0, column 3, row 4), `m0-g20-e0` (evidence, some classes each)
and `m0-g20-x0` (exemplars, some cells each).
"""

import base64
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jatlas import pixels
from jatlas.show import _tiles as tiles
from jatlas.storage import _format as atlas_format
from jatlas.storage import files
from jatlas.types import HostArray

FORMAT = "jatlas-viewer/1"

_AGAINST = 3  # classes that a cell speaks against
_EXEMPLAR_CELLS = 32  # per picture
_ABOUT = ("network", "weights_sha256", "seed", "versions", "settings")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackConfig:
    """How much of an atlas the viewer gets.

    Attributes:
      paths: whether the names of the image files are in it; they may say much about their owner.
      evidence: most values of evidence per grid. Beyond it the viewer lights cells up by the
        evidence of a coarser grid, or else by their top classes alone.
      samples: most samples per map to find again in the other maps; of more, every other, every
        third ... is taken.
    """

    paths: bool = False
    evidence: int = 32_000_000
    samples: int = 200_000

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least in (("evidence", 0), ("samples", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected at least {least}, got {getattr(self, name)}")


class Part(NamedTuple):
    """One thing that the viewer may ask for.

    Attributes:
      name: what it is asked for by.
      kind: "json", "jpg" or "png".
      data: the file.
    """

    name: str
    kind: str
    data: bytes


def pack(folder: Path, *, config: PackConfig | None = None) -> Iterator[Part]:
    """Read an atlas folder and give the parts of its viewer, the manifest last.

    Args:
      folder: an atlas of format `jatlas/1`.
      config: how much of it; None means `PackConfig()`.

    Yields:
      Parts.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if it is damaged.
    """
    config = PackConfig() if config is None else config
    info = atlas_format.read_info(folder)
    try:
        names: dict[int, str] = dict(enumerate(info["classes"]))
        maps = []
        for index, entry in enumerate(info["maps"]):
            reader = _Reader(folder, entry, f"m{index}", names, config)
            yield from reader.parts()
            maps.append(reader.manifest)
        about = {name: info[name] for name in _ABOUT if name in info}
        images = _lines(folder / "images.txt")
    except (KeyError, TypeError, AttributeError, OSError) as error:
        raise ValueError(f"{folder} is a damaged atlas: {error!r}") from error
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "about": {**about, "images": len(images)},
        "classes": [names.get(i, f"class {i}") for i in range(max(names, default=-1) + 1)],
        "maps": maps,
    }
    if config.paths:
        manifest["images"] = images
    yield _json("atlas", manifest)


class _Reader:
    """The parts of one map; `manifest` is whole once they have been given."""

    def __init__(
        self,
        folder: Path,
        entry: dict[str, Any],
        name: str,
        classes: dict[int, str],
        config: PackConfig,
    ) -> None:
        self._place = folder / entry["path"]
        if not self._place.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"map path {entry['path']!r} leads out of the folder")
        self._entry, self._name, self._classes, self._config = entry, name, classes, config
        self.manifest: dict[str, Any] = {
            "id": entry["path"],
            "kind": entry["kind"],
            "layer": entry.get("layer"),
            "title": entry.get("title") or entry.get("layer") or entry["path"],
            "samples": entry.get("samples"),
            "axes": entry.get("axes"),
            "grids": [],
        }

    def parts(self) -> Iterator[Part]:
        grids = sorted(self._entry["grids"], key=lambda grid: grid["size"])
        # The thumbnail wants a grid that is fine, but not much finer than its pixels.
        best = max((g["size"] for g in grids if g["size"] <= 80), default=grids[0]["size"])
        for grid in grids:
            yield from self._grid(grid, thumb=grid["size"] == best)
        yield from self._samples()

    def _grid(self, grid: dict[str, Any], *, thumb: bool) -> Iterator[Part]:
        size, px = int(grid["size"]), int(grid["icon_px"])
        name = f"{self._name}-g{size}"
        cells = np.array([c["row"] * size + c["col"] for c in grid["cells"]], np.int64)
        if ((cells < 0) | (cells >= size * size)).any():
            raise ValueError(f"{self._entry['path']}: a cell lies outside the {size} x {size} grid")
        evidence = self._evidence(size, cells)
        yield _json(name, self._columns(grid["cells"], cells, evidence))
        sprite = pixels.open_sprite(
            self._place / f"icons-{size}.png", width=size * px, height=size * px
        )
        for tile in tiles.cut(sprite, cells, size=size, icon_px=px):
            yield Part(f"{name}-{tile.level}-{tile.column}-{tile.row}", "jpg", tile.data)
        if thumb:
            yield Part(f"{self._name}-thumb", "png", tiles.thumbnail(sprite, cells, size=size))
        shape = tiles.levels(size, px)
        made: dict[str, Any] = {
            "size": size,
            "cells": len(cells),
            "tile": shape.cells,
            "px": list(shape.icon_px),
        }
        if evidence is not None and 0 < evidence.size <= self._config.evidence:
            step = max(1, min(evidence.shape[1], 2**18 // len(cells)))
            made["evidence"] = {"classes": evidence.shape[1], "chunk": step}
            for first in range(0, evidence.shape[1], step):
                yield _json(
                    f"{name}-e{first // step}", _quantized(evidence[:, first : first + step])
                )
        if "exemplars" in grid:
            about = grid["exemplars"]
            made["exemplars"] = {
                "per_cell": int(about["per_cell"]),
                "px": int(about["px"]),
                "chunk": _EXEMPLAR_CELLS,
            }
            yield from self._exemplars(name, about, len(cells))
        self.manifest["grids"].append(made)

    def _evidence(self, size: int, cells: HostArray) -> HostArray | None:
        path = self._place / f"cells-{size}.npz"
        if not path.exists():
            return None
        found = files.read_arrays(path).get("evidence")
        if found is None:
            return None
        return found.reshape(size * size, -1)[cells].astype(np.float32)

    def _columns(
        self, entries: list[dict[str, Any]], cells: HostArray, evidence: HostArray | None
    ) -> dict[str, Any]:
        width = max((len(c.get("labels", ())) for c in entries), default=0)
        labels, values = [], []
        for cell in entries:
            top = cell.get("labels", [])
            for index, text, _ in top:
                self._classes.setdefault(int(index), str(text))
            pad = width - len(top)
            labels += [int(index) for index, _, _ in top] + [-1] * pad
            values += [_short(value) for _, _, value in top] + [0] * pad
        made: dict[str, Any] = {
            "cell": cells.tolist(),
            "count": [int(c["count"]) for c in entries],
            "per": width,
            "labels": labels,
            "values": values,
        }
        if evidence is not None and evidence.shape[1] > width + _AGAINST:
            worst = np.argsort(evidence, axis=1, kind="stable")[:, :_AGAINST]
            made["against"] = worst.ravel().tolist()
            lowest = np.take_along_axis(evidence, worst, axis=1).ravel().tolist()
            made["against_values"] = [_short(value) for value in lowest]
        for field in ("score", "cosine"):
            if any(field in cell for cell in entries):
                made[field] = [_finite(cell.get(field)) for cell in entries]
        if self._config.paths and any("exemplars" in cell for cell in entries):
            made["exemplars"] = [[int(i) for i in cell.get("exemplars", ())] for cell in entries]
        return made

    def _exemplars(self, name: str, about: dict[str, Any], count: int) -> Iterator[Part]:
        path = self._place / about["file"]
        if not path.resolve().is_relative_to(self._place.resolve()):
            raise ValueError(f"exemplars file {about['file']!r} leads out of the folder")
        per_cell, px, columns = (int(about[key]) for key in ("per_cell", "px", "columns"))
        rows = -(-count // columns)
        sprite = pixels.open_sprite(path, width=columns * per_cell * px, height=rows * px)
        pictures = tiles.strips(
            sprite, count=count, per_cell=per_cell, px=px, columns=columns, chunk=_EXEMPLAR_CELLS
        )
        for number, picture in enumerate(pictures):
            yield Part(f"{name}-x{number}", "jpg", picture)

    def _samples(self) -> Iterator[Part]:
        path = self._place / "points.npy"
        if not path.exists():
            return
        points = files.read_array(path)
        stride = -(-len(points) // self._config.samples)
        kept = np.clip(np.floor(points[::stride] * 65536), 0, 65535).astype("<u2")
        self.manifest["stride"] = stride
        yield _json(f"{self._name}-samples", {"xy": _base64(kept)})


def _quantized(evidence: HostArray) -> dict[str, Any]:
    """Keep evidence (m, classes) as one byte each, in units of a 127th of the class's largest."""
    scale = np.abs(np.nan_to_num(evidence)).max(axis=0, initial=0.0)
    steps = np.nan_to_num(evidence) / np.where(scale > 0, scale, 1) * 127
    values = np.round(steps).astype(np.int8).T
    return {"scale": [_short(value) for value in scale.tolist()], "values": _base64(values)}


def _base64(array: HostArray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _short(value: float) -> float:
    return float(f"{value:.4g}") if np.isfinite(value) else 0.0


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else _short(value)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []


def _json(name: str, value: Any) -> Part:
    return Part(name, "json", embeddable(value).encode())


def embeddable(value: Any) -> str:
    r"""Write a value as JSON that is safe inside a script element, whatever its strings hold.

    Example:
      >>> print(embeddable({"name": "</script>"}))
      {"name":"\u003c/script>"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Lone surrogates, which no encoding can write, can come from escapes in atlas.json.
    text = text.encode("utf-8", "backslashreplace").decode()
    for raw, escaped in (("<", "\\u003c"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
        text = text.replace(raw, escaped)
    return text
