"""The settings that an atlas was made with, read from what it says of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from jatlas import visualize
from jatlas.arrange import TSNE, UMAP
from jatlas.build._config import CellConfig
from jatlas.records import Atlas, Grid, Map
from jatlas.types import checks
from jatlas.visualize import RenderConfig

_KINDS = {
    name: kind
    for name, kind in {**vars(visualize), "TSNE": TSNE, "UMAP": UMAP}.items()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind)
}


def stored_cells(atlas: Atlas, owner: Map, grid: Grid) -> CellConfig:
    """Return how the cells of a grid became pictures.

    Args:
      atlas: the atlas.
      owner: a map of it.
      grid: a grid of the map.

    Raises:
      ValueError: if the atlas does not say, or they cannot be made again: of an array it only
        keeps a checksum, and of code of one's own a digest.
    """
    made = _stored(atlas, owner) | dict(grid.settings or {})
    names = [field.name for field in dataclasses.fields(CellConfig)]
    known = {name: made[name] for name in names if name in made and name != "icons"}
    return CellConfig(**known, icons=_restored("icons", made.get("icons"), RenderConfig))


def stored_layout(atlas: Atlas, owner: Map) -> UMAP | TSNE:
    """Return how a map was laid out; raises as `stored_cells`."""
    found: UMAP | TSNE = _restored("layout", _stored(atlas, owner).get("layout"), UMAP, TSNE)
    return found


def _stored(atlas: Atlas, owner: Map) -> dict[str, Any]:
    return dict(atlas.info.get("settings", {}) if owner.settings is None else owner.settings)


def _restored(name: str, value: Any, *kinds: type) -> Any:
    """Return settings of one of some kinds."""
    made = _value(name, value)
    if not isinstance(made, kinds):
        known = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{name}: expected the atlas to say its {known}, got {checks.shown(made)}")
    return made


def _value(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_value(name, each) for each in value)
    if not isinstance(value, dict):
        return value
    kind = _KINDS.get(value.get("kind", ""))
    if kind is None or "code_sha256" in value:
        raise ValueError(
            f"{name}: expected settings that jatlas has itself, got {checks.shown(value)}"
        )
    fields = {field.name for field in dataclasses.fields(kind)}
    return kind(**{field: _value(field, x) for field, x in value.items() if field in fields})
