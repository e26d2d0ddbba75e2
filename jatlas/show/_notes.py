"""Notes on an atlas: places of its maps that a person has written something about.

They are in `notes.json` beside `atlas.json`, written by hand or saved from the page, which shows
them as numbered pins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jatlas.storage import files
from jatlas.types import checks

FILE = "notes.json"
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
      "title", "light", "against" and "cell" that are given.

    Raises:
      ValueError: if the file is damaged, or holds something else than notes on this atlas.
    """
    path = folder / FILE
    if not path.exists():
        return []
    found = files.read_json(path)
    try:
        return _notes(found, grids)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _notes(found: Any, grids: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, got {checks.shown(found)}")
    checks.choice("format", found.get("format"), options=(FORMAT,))
    notes = found.get("notes")
    if not isinstance(notes, list):
        raise ValueError(f"notes: expected a list, got {checks.shown(notes)}")
    if len(notes) > MAX_NOTES:
        raise ValueError(f"notes: expected at most {MAX_NOTES}, got {len(notes)}")
    return [_note(f"notes[{i}]", note, grids) for i, note in enumerate(notes)]


def _note(name: str, note: Any, grids: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    if not isinstance(note, dict):
        raise ValueError(f"{name}: expected an object, got {checks.shown(note)}")
    for key in _REQUIRED:
        if key not in note:
            raise ValueError(f"{name}: expected {key!r}, got none")
    for key in note:
        checks.choice(f"{name}: a name", key, options=_REQUIRED + _OPTIONAL)
    where = checks.choice(f"{name}.map", note["map"], options=tuple(grids))
    kept = {
        "map": where,
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
        kept["cell"] = _cell(f"{name}.cell", note["cell"], grids[where])
    return kept


def _text(name: str, value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected text, got {checks.shown(value)}")
    if len(value) > most:
        raise ValueError(f"{name}: expected at most {most} letters, got {len(value)}")
    return value


def _cell(name: str, value: Any, sizes: Sequence[int]) -> dict[str, int]:
    if not isinstance(value, dict) or set(value) != {"grid", "row", "col"}:
        raise ValueError(f"{name}: expected 'grid', 'row' and 'col', got {checks.shown(value)}")
    size = checks.whole(f"{name}.grid", value["grid"])
    if size not in sizes:
        listed = " or ".join(map(str, sizes))
        raise ValueError(f"{name}.grid: expected {listed}, got {size}")
    place = {
        key: checks.whole(f"{name}.{key}", value[key], minimum=0, maximum=size - 1)
        for key in ("row", "col")
    }
    return {"grid": size, **place}
