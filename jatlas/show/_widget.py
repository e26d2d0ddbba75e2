"""The viewer in a notebook: an anywidget, or a frame where there is no kernel to ask.

The widget needs the extra `widget`; without it there is the frame.
"""

import functools
import html
import logging
import tempfile
from pathlib import Path
from typing import Any

from jatlas.records import Atlas
from jatlas.show import _export as export
from jatlas.show._pack import PackConfig, pack
from jatlas.storage import save

log = logging.getLogger(__name__)
_FRAME_MB = 100


class Frame:
    """A page inside a page, as a notebook shows it."""

    def __init__(self, page: str, *, height: int) -> None:
        self._page, self._height = page, height

    def _repr_html_(self) -> str:
        # Its scripts run, but in a place of their own: they reach nothing of the notebook.
        return (
            f'<iframe title="Activation atlas" sandbox="allow-scripts" width="100%" '
            f'height="{self._height}" style="border:0" srcdoc="{html.escape(self._page)}"></iframe>'
        )


def show(
    atlas: Atlas | str | Path,
    *,
    height: int = 600,
    static: bool = False,
    config: PackConfig | None = None,
) -> Any:
    """Show an atlas in a notebook.

    Args:
      atlas: an atlas, or its folder.
      height: in CSS pixels.
      static: whether to make a frame that holds the whole atlas and needs no kernel, as a notebook
        that is exported or put on the web needs it.
      config: how much of the atlas is shown; None means `PackConfig()` for a widget, and less for
        a frame.

    Returns:
      A widget whose trait `selection` is the pinned cell as {"map", "layer", "grid", "row", "col",
      "count", "labels"}, or None; `widget.observe(act, names="selection")` follows it. With
      `static`, or without anywidget, a `Frame`, which has no selection.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if it is damaged, or too large for a frame.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = save(atlas, Path(scratch) / "atlas") if isinstance(atlas, Atlas) else Path(atlas)
        if not static:
            try:
                widget = _widget_class()
            except ImportError:
                log.info("anywidget is not installed: a still frame, without a selection")
            else:
                return widget(list(pack(folder, config=config)), height)
        file = Path(scratch) / "atlas.html"
        page = export.export_html(folder, file, config=config, most_mb=_FRAME_MB)
        return Frame(page.read_text(encoding="utf-8"), height=height)


@functools.cache
def _widget_class() -> Any:
    """Make the class, once: what it derives from is there for some users only."""
    import anywidget
    import traitlets

    class AtlasWidget(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
        _esm = export.ASSETS / "widget.js"
        _css = export.ASSETS / "viewer.css"
        selection = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
        height = traitlets.Int(600).tag(sync=True)

        def __init__(self, parts: list[Any], height: int) -> None:
            super().__init__(height=height)
            self._parts = {part.name: part.data for part in parts}
            self.on_msg(self._send_part)

        def _send_part(self, _: Any, message: Any, buffers: Any) -> None:
            del buffers
            name = message.get("need") if isinstance(message, dict) else None
            found = self._parts.get(name) if isinstance(name, str) else None
            self.send({"part": name}, [] if found is None else [found])

    return AtlasWidget
