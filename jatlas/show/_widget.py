"""The viewer in a notebook: an anywidget, or a static frame where anywidget is not installed."""

from __future__ import annotations

import contextlib
import functools
import html
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jatlas.records import Atlas
from jatlas.show._export import ASSETS, as_folder, export_html
from jatlas.show._pack import PackConfig, pack
from jatlas.show._selected import MapSamples, completed, map_samples
from jatlas.types import checks, one_line

log = logging.getLogger(__name__)
_FRAME_MB = 100


class Frame:
    """A page in an iframe, as a notebook displays it."""

    def __init__(self, page: str, *, height: int) -> None:
        self._page, self._height = page, height

    def _repr_html_(self) -> str:
        # Its scripts run in an origin of their own: they reach nothing of the notebook.
        return (
            '<iframe title="Activation atlas" sandbox="allow-scripts allow-downloads" width="100%" '
            f'height="{self._height}" style="border:0" srcdoc="{html.escape(self._page)}"></iframe>'
        )


def widget(
    atlas: Atlas | str | Path,
    *,
    height: int = 600,
    static: bool = False,
    others: Sequence[Atlas | str | Path] = (),
    config: PackConfig | None = None,
) -> Any:
    """Show an atlas in a notebook.

    The widget needs the extra `widget` (anywidget); without it the result is a static frame.

    Args:
      atlas: folder of an atlas, or an atlas in memory.
      height: in CSS pixels.
      static: whether to return a frame that holds the whole atlas and needs no kernel, for
        notebooks that are exported or published.
      others: further atlases to show beside it, as in `export`.
      config: how much of the atlas is shown; None means `PackConfig()` for a widget, and
        `ONE_FILE` for a frame.

    Returns:
      A widget with two traits, which `widget.observe(callback, names="selected")` follows.
      `selected` is what the reader selects with a lasso, a rectangle or Shift + click, or None:
      {"map", "layer", "grid", "cells": [[row, column], ...], "samples": rows of the map's samples,
      "images": their numbers}. `selection` is the cell that is held, or None: {"map", "layer",
      "grid", "row", "col", "count", "name", "labels"}. Both can be set, which moves the map:
      `selected` to a dict of "map", "grid" and "cells" (the samples are found; ValueError for a
      map, grid or cell that does not exist; cells without samples are left out), `selection` to one
      of "map", "grid", "row", "col". With `static`, or without anywidget, a `Frame`, which has
      neither.

    Raises:
      FileNotFoundError: if there is no atlas, or no file of `config.columns`.
      ValueError: if it is damaged, or too large for a frame, if a file of columns is wrong, or for
        a height that is none.
    """
    height = checks.whole("height", height, unit="pixel")
    with contextlib.ExitStack() as stack:
        folder, *more = (stack.enter_context(as_folder(each)) for each in (atlas, *others))
        if not static:
            try:
                widget_class = _widget_class()
            except ImportError as error:
                log.warning(
                    "showing a static frame without a selection: the widget needs anywidget, "
                    "pip install 'jatlas[widget]' (%s)", one_line(error),
                )  # fmt: skip
            else:
                parts = list(pack(folder, others=more, config=config))
                return widget_class(parts, height, map_samples(folder, more, config))
        return _frame(folder, more, height, config)


def _frame(folder: Path, others: list[Path], height: int, config: PackConfig | None) -> Frame:
    with tempfile.TemporaryDirectory(prefix="jatlas-") as scratch:
        file = Path(scratch) / "a.html"
        page = export_html(folder, file, others=others, config=config, max_mb=_FRAME_MB)
        return Frame(page.read_text(encoding="utf-8"), height=height)


@functools.cache
def _widget_class() -> Any:
    """Define the class on first use: its base class is optional."""
    import anywidget
    import traitlets

    class AtlasWidget(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
        _esm = ASSETS / "widget.js"
        _css = ASSETS / "viewer.css"
        selection = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
        # Samples stay in Python: there may be millions.
        selected = traitlets.Dict(default_value=None, allow_none=True).tag(
            sync=True, to_json=lambda value, _: _without_samples(value)
        )
        height = traitlets.Int(600).tag(sync=True)

        def __init__(self, parts: list[Any], height: int, samples: dict[str, MapSamples]) -> None:
            self._samples = samples
            super().__init__(height=height)
            self._parts = {part.name: part.data for part in parts}
            self.on_msg(self._send_part)

        @traitlets.validate("selected")  # type: ignore[untyped-decorator, unused-ignore]
        def _complete(self, proposal: Any) -> dict[str, Any] | None:
            return completed(self._samples, proposal["value"])

        def _send_part(self, _: Any, message: Any, buffers: Any) -> None:
            del buffers
            name = message.get("need") if isinstance(message, dict) else None
            data = self._parts.get(name) if isinstance(name, str) else None
            self.send({"part": name}, [] if data is None else [data])

    return AtlasWidget


def _without_samples(selected: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the page needs of a selection."""
    if selected is None:
        return None
    return {name: selected[name] for name in ("map", "layer", "grid", "cells")}
