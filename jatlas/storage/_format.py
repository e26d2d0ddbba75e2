"""The atlas on disk: format `jatlas/1`."""

import json
import shutil
from pathlib import Path
from typing import Any

from jatlas.records import Atlas, Info, Map
from jatlas.storage import files
from jatlas.storage._cache import FOLDER
from jatlas.storage._describe import ATLAS_FILE, FORMAT, describe, describe_map, map_folder
from jatlas.storage._maps import read_map, write_map


def save(atlas: Atlas, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write an atlas as a folder of format `jatlas/1`, whole or not at all.

    Args:
      atlas: the atlas.
      path: the folder; it must not exist, or be empty.
      overwrite: whether an atlas that is there may be replaced. Anything else never is.

    Returns:
      The folder.

    Raises:
      ValueError: if the folder holds something.
      OSError: if it cannot be written; the folder is as it was.
    """
    target = Path(path)
    if check_output(target) and not overwrite:
        raise ValueError(f"{target} holds an atlas already: choose another output folder")
    with files.replacing_folder(target, last=ATLAS_FILE) as folder:
        for atlas_map in atlas.maps:
            write_map(folder / map_folder(atlas_map), atlas_map)
        _write_index(folder, atlas)
    return target


def update(path: str | Path, atlas: Atlas, *, stored: Atlas | None) -> None:
    """Write an atlas into a folder map by map, atlas.json last.

    Each map's folder is complete before it takes its place. Killed on the way, a new folder is no
    atlas yet, and a stored atlas no longer says which stages its maps are the results of.

    Args:
      path: the folder, which exists.
      atlas: the atlas; those of its maps that are the very records of `stored` are left alone.
      stored: the atlas that the folder holds; None if it holds none.

    Raises:
      OSError: if it cannot be written.
    """
    folder = Path(path)
    before = () if stored is None else stored.maps
    if stored is not None:
        files.write_json(folder / ATLAS_FILE, describe(stored) | {"stages": {}})
    for atlas_map in atlas.maps:
        if not any(atlas_map is other for other in before):
            with files.replacing_folder(folder / map_folder(atlas_map)) as target:
                write_map(target, atlas_map)
    _write_index(folder, atlas)
    current = {map_folder(atlas_map) for atlas_map in atlas.maps}
    for atlas_map in before:
        if map_folder(atlas_map) not in current:
            shutil.rmtree(folder / map_folder(atlas_map), ignore_errors=True)


def _write_index(folder: Path, atlas: Atlas) -> None:
    files.write_text(folder / "images.txt", "".join(f"{name}\n" for name in atlas.images))
    files.write_json(folder / ATLAS_FILE, describe(atlas))


def load(path: str | Path) -> Atlas:
    """Read an atlas folder.

    Args:
      path: the folder.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it is of another format, or a file is missing or damaged.
    """
    folder = Path(path)
    info = read_info(folder)
    try:
        maps = tuple(read_map(folder, entry) for entry in info.pop("maps"))
        images = read_names(folder)
        classes = tuple(info.pop("classes"))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{folder} is a damaged atlas: {error}") from error
    info.pop("format")
    return Atlas(maps=maps, images=images, classes=classes, info=Info(info))


def add_map(path: str | Path, atlas: Atlas, new: Map) -> None:
    """Write one map into an atlas folder, in the place of the map of its name if there is one.

    The map's folder is complete before it takes its place, and atlas.json is replaced last. While
    the folder of a class map is replaced, atlas.json does not name it: killed there, the atlas
    lacks the map and is whole. A layer's map, which the others need, stays named.

    Args:
      path: the atlas folder.
      atlas: the atlas with the new map; its other maps may be out of date.
      new: the map.

    Raises:
      OSError: if it cannot be written; the atlas is as it was.
    """
    folder = Path(path)
    stored = read_info(folder)  # another map may have come meanwhile
    names = [entry["name"] for entry in stored["maps"]]
    place = names.index(new.path) if new.path in names else len(names)
    complete, without = list(stored["maps"]), list(stored["maps"])
    complete[place : place + 1] = [describe_map(new, atlas.classes)]
    del without[place : place + 1]
    stages = stored.get("stages", {}) | atlas.info.get("stages", {})
    hidden = False
    try:
        with files.replacing_folder(folder / map_folder(new)) as target:
            write_map(target, new)
            if new.path in names and new.kind != "layer":
                files.write_json(folder / ATLAS_FILE, stored | {"maps": without})
                hidden = True
    except OSError:
        if hidden:
            files.write_json(folder / ATLAS_FILE, stored)
        raise
    files.write_json(folder / ATLAS_FILE, stored | {"maps": complete, "stages": stages})


def check_output(folder: Path) -> bool:
    """Return whether a folder holds an atlas that would be replaced.

    Raises:
      ValueError: if the folder is none, or holds anything but an atlas or an unfinished one.
    """
    if not folder.exists():
        if folder.is_symlink():
            raise ValueError(f"{folder} is a link to a folder that is not there: remove the link")
        return False
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file: choose another output folder")
    if (folder / ATLAS_FILE).exists():
        read_info(folder)
        return True
    if any(folder.iterdir()) and not (folder / FOLDER).is_dir():
        raise ValueError(f"{folder} holds something else: choose another output folder")
    return False


def read_info(folder: Path) -> dict[str, Any]:
    """Read atlas.json.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it is not of format `jatlas/1`.
    """
    try:
        info = json.loads((folder / ATLAS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder} is no atlas: it has no {ATLAS_FILE}") from None
    except ValueError as error:
        raise ValueError(f"{folder / ATLAS_FILE} is damaged: {error}") from error
    found = info.get("format") if isinstance(info, dict) else None
    if found != FORMAT:
        raise ValueError(f"{folder / ATLAS_FILE}: expected format {FORMAT!r}, got {found!r}")
    return info


def read_names(folder: Path) -> tuple[str, ...]:
    """Read the names of an atlas's images, one a line of images.txt."""
    # Not splitlines or read_text, which also split at characters that a name may hold.
    return tuple((folder / "images.txt").read_bytes().decode().split("\n")[:-1])
