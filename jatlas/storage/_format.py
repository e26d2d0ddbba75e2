"""The atlas on disk: format `jatlas/1`."""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jatlas.records import Atlas, Info, Map
from jatlas.storage import files
from jatlas.storage._checks import check_atlas, check_map
from jatlas.storage._copies import local, updating
from jatlas.storage._describe import ATLAS_FILE, FORMAT, NOTES, describe, describe_map, map_folder
from jatlas.storage._entries import read_about, read_classes, read_maps, read_sums
from jatlas.storage._holder import FOLDER
from jatlas.storage._images import LABELS, NAMES, PREDICTIONS, read_names, read_shown
from jatlas.storage._maps import read_map, write_map

PAGE_DATA = b"(self.jatlasParts="
"""How a script with data of an exported page begins."""

_PAGE_SCRIPT = "viewer/data/atlas.js"


def save(atlas: Atlas, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write an atlas as a folder of format `jatlas/1`, whole or not at all.

    Args:
      atlas: the atlas.
      path: the folder, or its URL; it must not exist, or be empty.
      overwrite: whether an atlas that is there may be replaced; its `notes.json` is kept. Anything
        else never is.

    Returns:
      The folder; of a URL the local copy.

    Raises:
      ValueError: if the folder holds something, or the arrays of the atlas do not fit together.
      OSError: if it cannot be written; the folder is as it was.
    """
    with updating(path) as target:
        _save(atlas, target, overwrite=overwrite)
    return target


def _save(atlas: Atlas, target: Path, *, overwrite: bool) -> None:
    files.recover_target(target)
    if check_output(target) and not overwrite:
        raise ValueError(f"{target} holds an atlas already: choose another output folder")
    check_atlas(atlas)
    with files.replacing_folder(target, last=ATLAS_FILE) as folder:
        sums = {map_folder(x): write_map(folder / map_folder(x), atlas, x) for x in atlas.maps}
        if (target / NOTES).exists():  # what a person wrote outlasts the atlas
            shutil.copyfile(target / NOTES, folder / NOTES)
        _write_index(folder, atlas, sums)


def update(path: str | Path, atlas: Atlas, *, stored: Atlas | None) -> None:
    """Write an atlas into a folder map by map, atlas.json last.

    Each map's folder is complete before it takes its place. Killed on the way, a new folder is no
    atlas yet. A stored atlas that is extended is whole all the while; one whose maps become others
    is damaged until all are replaced, and `load` says so.

    Args:
      path: the folder, which exists.
      atlas: the atlas; those of its maps that are the very records of `stored` are left alone.
      stored: the atlas that the folder holds; None if it holds none, or a damaged one.

    Raises:
      ValueError: if the arrays of the atlas do not fit together.
      OSError: if it cannot be written.
    """
    check_atlas(atlas)
    folder = Path(path)
    before = () if stored is None else stored.maps
    sums: dict[str, dict[str, str]] = {}
    if holds_page(folder):
        # Or killed before there is a new page, the old one would be taken for it.
        (folder / "index.html").unlink(missing_ok=True)
    if stored is None:
        (folder / ATLAS_FILE).unlink(missing_ok=True)
    else:
        info = read_info(folder)
        sums = {entry.path: entry.sums for entry in read_maps(info)}
        _drop_stages(folder, info, atlas)
    for atlas_map in atlas.maps:
        name = map_folder(atlas_map)
        if not any(atlas_map is other for other in before):
            with files.replacing_folder(folder / name) as target:
                sums[name] = write_map(target, atlas, atlas_map)
    _write_index(folder, atlas, sums)
    current = {map_folder(atlas_map) for atlas_map in atlas.maps}
    for atlas_map in before:
        if map_folder(atlas_map) not in current:
            shutil.rmtree(folder / map_folder(atlas_map), ignore_errors=True)


def _drop_stages(folder: Path, info: dict[str, Any], atlas: Atlas) -> None:
    """Have atlas.json not name the stages that will be others in a new atlas."""
    known, wanted = info.get("stages", {}), atlas.info.get("stages", {})
    lasting = {name: x for name, x in known.items() if wanted.get(name) == x}
    if lasting != known:
        files.write_json(folder / ATLAS_FILE, info | {"stages": lasting})


def _write_index(folder: Path, atlas: Atlas, sums: Mapping[str, dict[str, str]]) -> None:
    for number, name in enumerate(atlas.images):
        if "\n" in name or not _is_unicode(name):
            raise ValueError(f"image {number}: expected one line of text as its name, got {name!r}")
    files.write_text(folder / NAMES, "".join(f"{name}\n" for name in atlas.images))
    own = {NAMES: files.checksum(folder / NAMES)}
    labels = atlas.labels
    given = labels.index if labels is not None and labels.given else None
    for name, array in ((PREDICTIONS, atlas.predictions), (LABELS, given)):
        if array is None:
            (folder / name).unlink(missing_ok=True)
        else:
            files.write_array(folder / name, np.asarray(array, np.int32))
            own[name] = files.checksum(folder / name)
    files.write_json(folder / ATLAS_FILE, describe(atlas, {**sums, "": own}))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # such as the name of a file that is not UTF-8
        return False
    return True


def load(path: str | Path) -> Atlas:
    """Read an atlas folder.

    Args:
      path: the folder, or its URL, such as `gs://bucket/atlas`, which is copied here first.

    Raises:
      ImportError: if a package for the URL is not installed.
      FileNotFoundError: if there is none.
      ValueError: if it is of another format, or a file is missing, damaged, or not the one that
        was saved.
    """
    folder = local(path)
    info = read_info(folder)
    try:
        sums = read_sums(info)
        files.verify(folder, sums)
        predictions, labels = read_shown(folder, info)
        atlas = Atlas(
            maps=tuple(read_map(folder, entry) for entry in read_maps(info)),
            images=read_names(folder),
            classes=tuple(read_classes(info)),
            info=Info(read_about(info)),
            predictions=predictions,
            labels=labels,
        )
        if not sums:  # written before there were any
            _check_count(folder, atlas)
        check_atlas(atlas)
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} is a damaged atlas: {error}") from error
    return atlas


def _check_count(folder: Path, atlas: Atlas) -> None:
    count = atlas.info.get("source", {}).get("images")
    if count not in (None, len(atlas.images)):
        raise ValueError(f"{folder / NAMES}: expected {count} names, got {len(atlas.images)}")


def add_map(path: str | Path, atlas: Atlas, new: Map) -> None:
    """Write one map into an atlas folder, in the place of the map of its name if there is one.

    The map's folder is complete before it takes its place, and atlas.json with it. While the
    folder of a class map is replaced, atlas.json does not name it: killed there, the atlas lacks
    the map and is whole. A layer's map, which the others need, stays named: killed there, the next
    command that writes to the atlas puts it back.

    Args:
      path: the atlas folder.
      atlas: the atlas with the new map; its other maps may be out of date.
      new: the map.

    Raises:
      ValueError: if the arrays of the map do not fit together.
      OSError: if it cannot be written; the atlas is as it was.
    """
    folder = Path(path)
    check_map(new, atlas)
    stored = read_info(folder)  # another map may have come meanwhile
    names = [entry.name for entry in read_maps(stored)]
    place = names.index(new.path) if new.path in names else len(names)
    complete, without = list(stored["maps"]), list(stored["maps"])
    del without[place : place + 1]
    stages = stored.get("stages", {}) | atlas.info.get("stages", {})
    index, place_of_new, hidden = folder / ATLAS_FILE, folder / map_folder(new), False
    try:
        with files.replacing_folder(place_of_new, index=index) as target:
            sums = write_map(target, atlas, new)
            complete[place : place + 1] = [describe_map(new, atlas.classes, sums)]
            files.write_json(target / ATLAS_FILE, stored | {"maps": complete, "stages": stages})
            if new.path in names and new.kind != "layer":
                hidden = True
                files.write_json(index, stored | {"maps": without})
    except BaseException:
        # Unless it is the new map that is there by now, or the old one could not be put back.
        if hidden and place_of_new.exists() and not _names_map(folder, new):
            files.write_json(index, stored)
        raise


def _names_map(folder: Path, new: Map) -> bool:
    return new.path in [entry.name for entry in read_maps(read_info(folder))]


def holds_page(folder: Path) -> bool:
    """Return whether a folder holds the files of a page that jatlas exported.

    Other programs have a `viewer` too, so that its data are looked at, or if they are damaged the
    page that names them.
    """
    for name, mark in ((_PAGE_SCRIPT, PAGE_DATA), ("index.html", f'"{_PAGE_SCRIPT}"'.encode())):
        with contextlib.suppress(OSError), open(folder / name, "rb") as file:
            if mark in file.read(10_000):
                return True
    return False


def check_output(folder: Path) -> bool:
    """Return whether a folder holds an atlas that would be replaced.

    Raises:
      ValueError: if the folder is none, or holds anything but an atlas or an unfinished one.
      OSError: if it cannot be looked at.
    """
    try:
        return _holds_atlas(folder)
    except OSError as error:
        raise files.refusal(folder, error) from error


def _holds_atlas(folder: Path) -> bool:
    for place in (folder, *folder.parents):
        if place.is_symlink() and not place.exists():
            raise ValueError(f"{place} is a link to a folder that is not there: remove the link")
        if place.exists() and not place.is_dir():
            what = "a file" if place.is_file() else "no folder"
            raise ValueError(f"{place} is {what}: choose another output folder")
    if not folder.exists():
        return False
    if (folder / ATLAS_FILE).exists():
        try:
            read_info(folder)
        except ValueError as error:
            advice = "choose another output folder, or remove this one"
            raise ValueError(f"{error}: {advice}") from error
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
        info = files.read_json(folder / ATLAS_FILE)
    except (FileNotFoundError, NotADirectoryError):
        left = "".join(f"; an interrupted save left {path}" for path in files.moved_away(folder))
        raise FileNotFoundError(f"{folder} is no atlas: it has no {ATLAS_FILE}{left}") from None
    found = info.get("format") if isinstance(info, dict) else None
    if found != FORMAT:
        raise ValueError(f"{folder / ATLAS_FILE}: expected format {FORMAT!r}, got {found!r}")
    return info
