"""Notes on an atlas: places of its maps that a person has written something about.

They are in `notes.json` beside `atlas.json`, written by hand or saved from the page, which shows
them as numbered pins.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jatlas.storage import NOTES, files
from jatlas.types import checks

log = logging.getLogger(__name__)

FORMAT = "jatlas-notes/1"
MAX_NOTES = 200
MAX_TEXT = 2000  # letters
_MAX_TITLE = 200
_MAX_ZOOM = 10_000
_REQUIRED = ("map", "x", "y", "zoom", "text")
_OPTIONAL = ("title", "light", "against", "cell")


def read_notes(folder: Path, grids: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
    """Read the notes of an atlas; a missing file is no notes.

    Args:
      folder: of the atlas.
      grids: cells per side of each map's grids, by the id of the map.

    Returns:
      The notes in their order: "map", "x" and "y" from 0 to 1, "zoom", "text", and those of
      "title", "light", "against" and "cell" that are given. Notes on maps that the atlas does not
      have, and cells of grids that it does not have, are left out with a warning: they stay in the
      file when the atlas is built again in another way.

    Raises:
      ValueError: if the file is damaged, or holds something else than notes.
    """
    path = folder / NOTES
    if not path.exists():
        return []
    found = files.read_json(path)
    try:
        notes = _notes(found)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    fitting = [_fitted(note, grids) for note in notes if note["map"] in grids]
    if len(fitting) < len(notes):
        log.warning(
            "%s: %d notes are on maps that the atlas does not have, and are not shown",
            path, len(notes) - len(fitting),
        )  # fmt: skip
    return fitting


def _fitted(note: dict[str, Any], grids: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Leave out the cell of a note if its map has no such grid."""
    known = "cell" not in note or note["cell"]["grid"] in grids[note["map"]]
    return note if known else {key: value for key, value in note.items() if key != "cell"}


def _notes(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, got {checks.shown(found)}")
    checks.choice("format", found.get("format"), options=(FORMAT,))
    notes = found.get("notes")
    if not isinstance(notes, list):
        raise ValueError(f"notes: expected a list, got {checks.shown(notes)}")
    if len(notes) > MAX_NOTES:
        raise ValueError(f"notes: expected at most {MAX_NOTES}, got {len(notes)}")
    return [_note(f"notes[{i}]", note) for i, note in enumerate(notes)]


def _note(name: str, note: Any) -> dict[str, Any]:
    if not isinstance(note, dict):
        raise ValueError(f"{name}: expected an object, got {checks.shown(note)}")
    for key in _REQUIRED:
        if key not in note:
            raise ValueError(f"{name}: expected {key!r}, got none")
    for key in note:
        checks.choice(f"{name}: a name", key, options=_REQUIRED + _OPTIONAL)
    kept = {
        "map": _text(f"{name}.map", note["map"], _MAX_TITLE),
        "x": checks.number(f"{name}.x", note["x"], minimum=0, maximum=1),
        "y": checks.number(f"{name}.y", note["y"], minimum=0, maximum=1),
        "zoom": checks.number(f"{name}.zoom", note["zoom"], above=0, maximum=_MAX_ZOOM),
        "text": _text(f"{name}.text", note["text"], MAX_TEXT),
    }
    for key in ("title", "light"):
        if key in note:
            kept[key] = _text(f"{name}.{key}", note[key], _MAX_TITLE)
    if "against" in note:
        kept["against"] = checks.flag(f"{name}.against", note["against"])
    if "cell" in note:
        kept["cell"] = _cell(f"{name}.cell", note["cell"])
    return kept


def _text(name: str, value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected text, got {checks.shown(value)}")
    if len(value) > most:
        raise ValueError(f"{name}: expected at most {most} letters, got {len(value)}")
    return value


def _cell(name: str, value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or set(value) != {"grid", "row", "col"}:
        raise ValueError(f"{name}: expected 'grid', 'row' and 'col', got {checks.shown(value)}")
    size = checks.whole(f"{name}.grid", value["grid"])
    place = {
        key: checks.whole(f"{name}.{key}", value[key], minimum=0, maximum=size - 1)
        for key in ("row", "col")
    }
    return {"grid": size, **place}
