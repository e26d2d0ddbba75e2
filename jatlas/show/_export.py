"""An atlas as a page: files beside it that open by a double click, or one file to send."""

import base64
import hashlib
import html
import json
from pathlib import Path
from typing import IO

from jatlas.show._pack import PackConfig, pack
from jatlas.storage import _format as atlas_format
from jatlas.storage import files

PAGE = "index.html"
VIEWER = "viewer"
ASSETS = Path(__file__).parent / "viewer" / "bundle"

# Nothing comes from or goes to any other place: no script, style, picture, request or form.
_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src {image}; "
    "base-uri 'none'; form-action 'none'"
)
_TYPES = {"jpg": "image/jpeg", "png": "image/png"}
_MB = 1_000_000
ONE_FILE = PackConfig(evidence=4_000_000, samples=50_000)
"""How much of an atlas a single file holds: it is read whole before anything shows."""


def has_page(folder: Path) -> bool:
    """Say whether a folder holds a viewer."""
    return (folder / VIEWER / "viewer.js").exists()


def export_folder(
    folder: str | Path, *, out: str | Path | None = None, config: PackConfig | None = None
) -> Path:
    """Write the viewer of an atlas: `index.html` and `viewer/`, which need no server.

    Args:
      folder: an atlas of format `jatlas/1`.
      out: where to write; None means into the atlas itself. Another folder holds nothing but
        what the page needs, to publish say.
      config: how much of the atlas it holds; None means `PackConfig()`.

    Returns:
      The page. A viewer that is there is replaced, whole or not at all.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if it is damaged, or where the viewer goes there is something else.
      OSError: if it cannot be written.
    """
    source = Path(folder)
    target = source if out is None else Path(out)
    viewer, page = target / VIEWER, target / PAGE
    ours = has_page(target)
    for path in (viewer, page):
        if path.exists() and not ours:
            raise ValueError(f"{path} is there already, and is no viewer: choose another folder")
    title = _title(source)
    with files.replacing_folder(viewer) as new:
        for name in ("data", "tiles"):
            (new / name).mkdir()
        for part in pack(source, config=config):
            if part.kind == "json":
                (new / "data" / f"{part.name}.js").write_bytes(_script(part.name, part.data))
            else:
                (new / "tiles" / f"{part.name}.{part.kind}").write_bytes(part.data)
        for name in ("viewer.js", "viewer.css"):
            (new / name).write_bytes((ASSETS / name).read_bytes())
    # On file:// 'self' matches nothing in some browsers, the scheme does.
    place = "'self' file:"
    policy = _POLICY.format(script=place, style=place, image=f"{place} data: blob:")
    head = f'<link rel="stylesheet" href="{VIEWER}/viewer.css">'
    scripts = "".join(
        f'<script src="{VIEWER}/{name}"></script>\n' for name in ("data/atlas.js", "viewer.js")
    )
    files.write_text(page, _before(title, policy, head) + scripts + _AFTER)
    return page


def export_html(
    folder: str | Path,
    file: str | Path,
    *,
    config: PackConfig | None = None,
    most_mb: float = 300,
) -> Path:
    """Write an atlas as one HTML file that needs nothing else.

    Args:
      folder: an atlas of format `jatlas/1`.
      file: where to write; a file that is there is replaced, whole or not at all.
      config: how much of the atlas it holds; None means less evidence and fewer samples than a
        folder, as all of it has to be read before anything shows.
      most_mb: how large it may get, in millions of bytes.

    Returns:
      The file.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if it is damaged, or the file would be larger than `most_mb`.
      OSError: if it cannot be written.
    """
    source, target = Path(folder), Path(file)
    title = _title(source)
    script = (ASSETS / "viewer.js").read_text(encoding="utf-8")
    style = (ASSETS / "viewer.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = _POLICY.format(
        script=f"'sha256-{digest}'", style="'unsafe-inline'", image="data: blob:"
    )
    with files.replacing(target) as out:
        out.write(_before(title, policy, f"<style>{style}</style>").encode())
        for part in pack(source, config=config or ONE_FILE):
            if part.kind == "json":
                _element(out, part.name, "application/json", part.data)
            else:
                _element(out, part.name, _TYPES[part.kind], base64.b64encode(part.data))
            if out.tell() > most_mb * _MB:
                raise ValueError(
                    f"most_mb: the file would be larger than {most_mb:g} MB: export a folder"
                )
        out.write(f"<script>{script}</script>\n{_AFTER}".encode())
    return target


def _script(name: str, data: bytes) -> bytes:
    # A script and not JSON: a page on file:// may not fetch.
    start = f"(self.jatlasParts=self.jatlasParts||[]).push([{json.dumps(name)},"
    return start.encode() + data + b"]);\n"


def _element(out: IO[bytes], name: str, kind: str, data: bytes) -> None:
    # Not run and not read before it is asked for: its type is no script's.
    out.write(f'<script type="{kind}" data-jatlas="{name}">'.encode() + data + b"</script>\n")


def _title(folder: Path) -> str:
    return f"Activation atlas of {atlas_format.read_info(folder).get('network', 'a network')}"


def _before(title: str, policy: str, head: str) -> str:
    page = (ASSETS / "page.html").read_text(encoding="utf-8")
    start, _ = page.split("<!-- scripts -->")
    for mark, text in (
        ("<!-- title -->", html.escape(title)),
        ("<!-- policy -->", html.escape(policy)),
        ("<!-- head -->", head),
    ):
        start = start.replace(mark, text, 1)
    return start


_AFTER = "</body>\n</html>\n"
