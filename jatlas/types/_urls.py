"""Places by URL, told from paths."""

from __future__ import annotations

import os
import re
from pathlib import Path

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_COLLAPSED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]")


def is_url(path: object) -> bool:
    """Return whether a place is given by URL.

    Raises:
      ValueError: for a `Path` made of a URL, which has lost a slash.

    Example:
      >>> is_url("gs://bucket/atlas"), is_url("atlas"), is_url("C:/atlas")
      (True, False, False)
    """
    if isinstance(path, Path):
        posix = path.as_posix()
        if _COLLAPSED.match(posix) and not path.exists():
            raise ValueError(f"{posix}: a Path drops a slash of a URL: give it as a string")
        return False
    text = os.fspath(path) if isinstance(path, os.PathLike) else path  # one of etils.epath
    return isinstance(text, str) and _URL.match(text) is not None
