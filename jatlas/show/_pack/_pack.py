"""Atlas folders as the named parts that the viewer asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jatlas.show._notes import read_notes
from jatlas.show._pack._columns import column_parts, read_columns
from jatlas.show._pack._config import PackConfig
from jatlas.show._pack._labels import label_parts
from jatlas.show._pack._map import map_parts
from jatlas.show._pack._part import Part, json_part
from jatlas.show._pack._samples import placed_samples
from jatlas.show._pack._source import Source, damage, open_sources
from jatlas.show._pictures import exemplar_images, open_pictures
from jatlas.storage import network_title

FORMAT = "jatlas-viewer/1"

_ABOUT = ("network", "weights_sha256", "seed", "versions", "settings")


def pack(
    folder: str | Path,
    *,
    others: Sequence[str | Path] = (),
    config: PackConfig | None = None,
) -> Iterator[Part]:
    """Read an atlas folder and yield the parts of its page, the manifest last.

    The same atlas gives the same parts, byte for byte, wherever its folder is.

    Args:
      folder: an atlas of format `jatlas/1`, with its notes, if it has any.
      others: further atlases for the same page; their maps follow.
      config: how much of it; None means `PackConfig()`.

    Yields:
      Parts.

    Raises:
      FileNotFoundError: if there is no atlas, or no such file of columns.
      ValueError: if an atlas is damaged, its `notes.json` or a file of columns is wrong, or images
        are to be shown and cannot be read.
    """
    config = PackConfig() if config is None else config
    sources, classes = open_sources(list(map(Path, (folder, *others))), titles=config.titles)
    placed = placed_samples(sources, maximum=config.samples)
    columns = read_columns(config.columns, sources, placed)
    own = sources[0]
    # Read, and looked for, before anything is written.
    notes = read_notes(own.root, {x.name: [grid.size for grid in x.grids] for x in own.maps})
    pictures = None
    if config.images:
        pictures = open_pictures(own.about, own.images, px=config.images, root=config.images_from)
    maps: list[dict[str, Any]] = []
    described: list[dict[str, Any]] = []
    for number, source in enumerate(sources):
        with damage(source.root):
            for entry, samples in zip(source.maps, placed[number], strict=True):
                parts = map_parts(source, entry, f"m{len(maps)}", samples, config)
                about_map = yield from parts
                maps.append(about_map | {"atlas": number} if number else about_map)
            about = _about(source, sources[0], paths=config.paths)
            prefix = f"{source.prefix}-" if number else ""
            described.append(about | (yield from label_parts(source, prefix)))
    first, *rest = described
    manifest = {"format": FORMAT, "classes": classes, "maps": maps} | first
    if rest:
        manifest["others"] = rest
    if notes:
        manifest["notes"] = notes
    if columns:
        manifest["columns"] = [column.manifest for column in columns]
        yield from column_parts(columns)
    if pictures is not None:
        manifest["pictures"] = pictures.about
        same = [entry for source in sources if source.images == own.images for entry in source.maps]
        for name, data in pictures.parts(exemplar_images(tuple(same))):
            yield Part(name, "jpg", data)
    yield json_part("atlas", manifest)


def _about(source: Source, first: Source, *, paths: bool) -> dict[str, Any]:
    """Return what the manifest says of an atlas itself."""
    known = {name: source.about[name] for name in _ABOUT if name in source.about}
    if "network" in known:
        known["title"] = network_title(str(known["network"]))
    manifest: dict[str, Any] = {"about": known | {"images": len(source.images)}}
    same = source is not first and bool(source.images) and source.images == first.images
    if source is not first:
        manifest |= {"title": source.title, "same_images": same}
    if paths and not same:
        manifest["images"] = source.images
    return manifest
