"""The image files under a folder, and what of it is left out."""

import collections
import os
from collections.abc import Iterator
from pathlib import Path

from jatlas.collect._decode import no_file, suffixes
from jatlas.collect._source import unlistable
from jatlas.storage import ATLAS_FILE, FOLDER, holds_page
from jatlas.types import one_line


def written_by_jatlas(folder: Path) -> bool:
    """Return whether a folder is an atlas, one that is being built, or an exported page."""
    if os.path.exists(folder / FOLDER) or holds_page(folder):  # no error if it cannot be searched
        return True
    index = folder / ATLAS_FILE
    if no_file(index):
        return False
    try:
        with index.open("rb") as file:  # other programs have a file of that name
            return b'"format": "jatlas/' in file.read(200)
    except OSError:
        return False


def first_of(unusable: list[tuple[str, str]]) -> str:
    """Say what was found instead of images, the first three of it."""
    if not unusable:
        return ""
    examples = "; ".join(f"{name}: {reason}" for name, reason in sorted(unusable)[:3])
    return f" but {len(unusable)} unusable ({examples})"


def walk(root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the sorted relative paths of the images under a folder, and the unusable ones."""
    paths: list[str] = []
    unusable: list[tuple[str, str]] = []
    others: collections.Counter[str] = collections.Counter()
    known = suffixes()
    for place, names in _folders(root, unusable):
        for name in names:
            path = place / name
            relative = path.relative_to(root).as_posix()
            if not name.lower().endswith(known):
                others[path.suffix.lower()] += 1
            elif reason := unlistable(relative) or no_file(path):
                unusable.append((repr(relative), reason))
            else:
                paths.append(relative)
    return sorted(paths), unusable + [passed_over(*item) for item in others.items()]


def _folders(root: Path, unusable: list[tuple[str, str]]) -> Iterator[tuple[Path, list[str]]]:
    """Yield every folder with the names of its files; those that cannot be entered are noted."""
    seen: set[tuple[int, int]] = set()  # folders, as device and inode: a link may lead back up

    def note(path: str | Path, reason: str) -> None:
        unusable.append((repr(os.path.relpath(path, root)), reason))

    def unreadable(error: OSError) -> None:
        note(error.filename, one_line(error))

    for place, folders, files in os.walk(root, onerror=unreadable, followlinks=True):
        try:
            status = os.stat(place)
        except OSError as error:
            folders[:] = []
            unreadable(error)
            continue
        new = (status.st_dev, status.st_ino) not in seen
        seen.add((status.st_dev, status.st_ino))
        own = new and written_by_jatlas(Path(place))
        if own:
            note(place, "written by jatlas: no photographs")
        folders[:] = sorted(x for x in folders if new and not own and not x.startswith("."))
        if new and not own:
            yield Path(place), [name for name in files if not name.startswith(".")]


def passed_over(suffix: str, count: int) -> tuple[str, str]:
    """Say how many files have a suffix that is not read, and what would help."""
    helps = {
        ".avif": "reading them needs Pillow 11.3 or newer",
        **dict.fromkeys((".heic", ".heif", ".hif"), "install 'jatlas[heic]' to read them"),
    }
    what = helps.get(suffix, "not a suffix of images that are read here")
    name = repr(f"*{suffix}")[1:-1] if suffix else "names without a suffix"
    return name, f"{count} file{'s' if count > 1 else ''}: {what}"
