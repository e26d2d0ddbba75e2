"""Folders that take the place of others, and what is left where a process was killed at that."""

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jatlas.storage._flush import flush, flush_tree

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_NAMED = 200  # bytes of a name that a hidden name repeats whole; file systems take 255
_CUT = "%%"  # stands for the rest; no name of a map's folder holds it
_HIDDEN = re.compile(r"\.(?P<name>.+)-(?P<kind>tmp|new|old)-(?P<token>[0-9a-f]{8})", re.DOTALL)
_INSIDE = re.compile(r"\.(?P<kind>new|in|old)-(?P<token>[0-9a-f]{8})")
_unfinished: set[Path] = set()


def hidden(path: Path, kind: str, token: str | None = None) -> Path:
    """Return a new hidden name beside a path.

    Args:
      path: the path.
      kind: "tmp" for a file that is to take its place, "new" for a folder, "old" for what it was.
      token: eight random hex digits; None draws them.
    """
    return path.with_name(f".{_stem(path.name)}-{kind}-{token or secrets.token_hex(4)}")


def _stem(name: str) -> str:
    return name if len(os.fsencode(name)) <= _NAMED else f"{name[:40]}{_CUT}"


def is_unfinished(path: Path) -> bool:
    """Return whether a path is in a folder that is flushed as a whole before it is renamed."""
    return not _unfinished.isdisjoint(path.parents)


def hold(descriptor: int) -> None:
    """Mark an open file or folder as in use until it is closed, where the system can."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        hold(descriptor)
        yield
    finally:
        os.close(descriptor)


def _is_abandoned(path: Path) -> bool:
    """Return whether no process holds a path; False where that cannot be known."""
    if fcntl is None:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing_folder(target: Path, *, last: str = "", index: Path | None = None) -> Iterator[Path]:
    """Give a new folder whose content becomes the target's if the block ends without an error.

    The target appears by one rename, and one that exists gives way only then. An empty folder, a
    mount and a link to a folder are filled rather than replaced: what they held is moved out and
    the new content in. On an error the target is as it was. If the process is killed, `recover`
    puts right what is left.

    Args:
      target: the folder.
      last: name of the file in it that says it is complete: moved out first and in last.
      index: a file elsewhere that describes the folder. The block writes its next version into the
        new folder, under the same name; it takes its place with the folder or not at all.

    Yields:
      The folder to write to; all that is in it is flushed to the disk at the end.
    """
    recover_target(target, index="" if index is None else index.name)
    fixed = target.is_symlink() or os.path.ismount(target)
    fill = target.exists() and (fixed or not any(target.iterdir()))
    token = secrets.token_hex(4)
    if fill:
        new, old = target / f".new-{token}", target / f".old-{token}"
    else:
        new, old = hidden(target, "new", token), hidden(target, "old", token)
    done = False
    try:
        _make(new, target)
        with _held(new):
            _unfinished.add(new)
            yield new
            flush_tree(new)
            if fill:
                _fill(target, new, old, last=last, index=index)
            else:
                _swap(target, new, old, index=index)
            done = True
            flush(target if fill else target.parent)
    finally:
        _unfinished.discard(new)
        if done:
            shutil.rmtree(old, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                old.rmdir()
        if not old.exists():  # else it could not be undone, and `recover` needs both
            shutil.rmtree(new, ignore_errors=True)


def _make(new: Path, target: Path) -> None:
    try:
        new.mkdir(parents=True)
    except OSError as error:
        raise refusal(target, error) from error


def refusal(path: Path, error: OSError) -> OSError:
    """Return an error of the same kind that names what was to be written, and not how."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error  # commands say more of these
    return type(error)(f"{path} cannot be written: {error.strerror or error}")


def _swap(target: Path, new: Path, old: Path, *, index: Path | None) -> None:
    """Put a folder in the place of another one; undo that on an error."""
    try:
        if target.exists():
            target.rename(old)
        new.rename(target)
        _publish(target, index)
    except BaseException:
        if index is not None and (target / index.name).exists() and not new.exists():
            target.rename(new)
        if old.exists() and not target.exists():
            old.rename(target)
        raise


def _publish(target: Path, index: Path | None) -> None:
    """Move the next version of an index out of the folder that it describes."""
    if index is not None:
        os.replace(target / index.name, index)


def _fill(target: Path, new: Path, old: Path, *, last: str, index: Path | None) -> None:
    """Move what a folder holds to `old`, and what `new` holds into it; undo both on an error."""
    moved: list[tuple[Path, Path]] = []

    def move(source: Path, to: Path) -> None:
        moved.append((source, to))  # first: an interruption may come right after the rename
        source.rename(to)

    present = [path for path in target.iterdir() if path not in (new, old)]
    outgoing = sorted(present, key=lambda path: path.name == last)
    incoming = sorted((path.name for path in new.iterdir()), key=lambda name: name == last)
    coming = _coming(new)
    try:
        old.mkdir()
        for path in reversed(outgoing):
            move(path, old / path.name)
        move(new, coming)
        for name in incoming:
            move(coming / name, target / name)
        _publish(target, index)
    except BaseException:
        for source, to in reversed(moved):
            if to.exists():
                to.rename(source)
        raise
    coming.rmdir()


def _coming(new: Path) -> Path:
    """Return the name of a new folder once the old content is out and its own moves in."""
    return new.with_name(new.name.replace("new", "in", 1))


def recover_target(target: Path, *, index: str = "") -> None:
    """Put right what a killed process left when it replaced or filled one folder; see `recover`."""
    recover(target.parent, name=target.name, index=index)
    _recover_content(target)


def moved_away(target: Path) -> list[Path]:
    """Return what stood in the place of a folder, where a killed process has left it."""
    found = _hidden_in(target.parent, _stem(target.name))
    return [] if target.exists() else [path for path, parts in found if parts["kind"] == "old"]


def recover(folder: Path, *, name: str | None = None, index: str = "") -> None:
    """Put right what a killed process left when it replaced files or folders in a folder.

    A folder that was moved away and has no successor is put back, and all else is removed. What a
    running process is at is left alone, and so is everything where that cannot be known.

    Args:
      folder: the folder; it need not exist.
      name: of the only file or folder in it that matters; None for all.
      index: name of the file that was to take its place with a folder, see `replacing_folder`.
    """
    found = _hidden_in(folder, None if name is None else _stem(name))
    for path, parts in found:
        if parts["kind"] == "old":
            target = folder / (parts["name"] if name is None else name)
            _put_back(path, target, parts, index=index)
    for path, parts in found:
        if parts["kind"] != "old" and _is_abandoned(path):
            _remove(path)


def _hidden_in(folder: Path, stem: str | None) -> list[tuple[Path, re.Match[str]]]:
    found = ((folder / name, _HIDDEN.fullmatch(name)) for name in _names(folder))
    return [(path, x) for path, x in found if x is not None and stem in (None, x["name"])]


def _put_back(old: Path, target: Path, parts: re.Match[str], *, index: str) -> None:
    """Give back its place to a folder that was moved away, unless it has a successor."""
    new = old.with_name(f".{parts['name']}-new-{parts['token']}")
    if not all(_is_abandoned(path) for path in (old, new, target) if path.exists()):
        return
    if index and (target / index).exists():  # the successor came without its index
        _remove(target)
    if target.exists():
        _remove(old)
    elif not target.name.endswith(_CUT):
        old.rename(target)


def _recover_content(target: Path) -> None:
    """Put right what a killed process left in a folder that it filled.

    What was moved out is moved back in, unless the new content was on its way in already: then all
    of it is moved in.

    Args:
      target: the folder; it need not exist.
    """
    tokens = {x["token"] for x in map(_INSIDE.fullmatch, _names(target)) if x is not None}
    for token in sorted(tokens):
        new, old = target / f".new-{token}", target / f".old-{token}"
        arriving = _coming(new).exists()
        present = _coming(new) if arriving else new
        if not _is_abandoned(present if present.exists() else old):
            continue
        if present.exists():
            source = present if arriving else old
            for name in _names(source):
                (source / name).rename(target / name)
        _remove(present)
        _remove(old)


def _names(folder: Path) -> list[str]:
    """Return the sorted names of what is in a folder; none if it is no folder."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
