"""One map of an atlas as a figure."""

from __future__ import annotations

from pathlib import Path

from jatlas.records import Atlas
from jatlas.storage import check_overview, load, write_overview


def overview(
    atlas: Atlas | str | Path,
    file: str | Path,
    *,
    map: str | None = None,
    grid: int | None = None,
) -> Path:
    """Write one map of an atlas as a figure for a paper or a slide.

    Its icons, each as large as its cell's count says, the names of its largest regions, what its
    axes mean, and a legend. In an SVG, text and lines are such, and the icons one picture.

    Args:
      atlas: folder of an atlas, or an atlas in memory.
      file: the file to write, .png or .svg; an existing one is replaced, whole or not at all.
      map: name of the map, such as "mixed4c-class-277"; None means the first.
      grid: cells along each side of the grid; None means the first of the map.

    Returns:
      The file.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if the atlas is damaged, has no such map or grid, or for another suffix.
      OSError: if the file cannot be written.
    """
    target = Path(file)
    check_overview(target)
    whole = atlas if isinstance(atlas, Atlas) else load(atlas)
    chosen = whole.maps[0] if map is None else whole.find(map)
    write_overview(target, whole, chosen, chosen.grids[0] if grid is None else chosen.grid(grid))
    return target
