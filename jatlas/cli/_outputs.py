"""Figures that commands are told to write."""

from __future__ import annotations

from pathlib import Path

from jatlas.storage import check_file


def check_figure(path: Path | None) -> None:
    """Raise OSError if a figure cannot be written, ValueError for an unknown suffix."""
    check_file(path)
    if path is None:
        return
    from matplotlib.figure import Figure

    known = Figure().canvas.get_supported_filetypes()
    if figure_format(path) not in known:
        raise ValueError(f"{path}: expected a suffix of {', '.join(sorted(known))}")


def figure_format(path: Path) -> str:
    """Return the format of a figure's file, PNG if its name has no suffix."""
    return path.suffix.lower().removeprefix(".") or "png"
