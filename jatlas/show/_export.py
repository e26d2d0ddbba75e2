"""An atlas as a page: files in a folder that open by a double click, or one file to send."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import IO

from jatlas.records import Atlas
from jatlas.show._pack import PackConfig, pack
from jatlas.storage import (
    PAGE_DATA,
    files,
    holds_page,
    local,
    read_about,
    read_info,
    save,
    updating,
)
from jatlas.types import is_url

PAGE = "index.html"
VIEWER = "viewer"
ASSETS = Path(__file__).parent / "viewer" / "bundle"

# The page loads scripts, styles and images only from where it lies, and sends nothing anywhere.
_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src {image}; "
    "base-uri 'none'; form-action 'none'"
)
_TYPES = {"jpg": "image/jpeg", "png": "image/png"}
_MB = 1_000_000
ONE_FILE = PackConfig(evidence=4_000_000, samples=50_000)
"""How much of an atlas a single file holds, which a browser has to read whole before it starts."""


def export(
    atlas: Atlas | str | Path,
    *,
    html: str | Path | None = None,
    site: str | Path | None = None,
    others: Sequence[Atlas | str | Path] = (),
    config: PackConfig | None = None,
) -> Path:
    """Write an atlas as a page that opens in any browser and needs no server.

    Args:
      atlas: folder of an atlas, its URL, or an atlas in memory.
      html: the file to write, which holds everything; see `export_html`.
      site: the folder to write instead, which holds only what the page needs; see `export_folder`.
        Without `html` and `site`, the page is written into the folder of the atlas.
      others: further atlases to show on the same page, such as those of other checkpoints. The
        page calls them by `config.titles`, or the names of their folders.
      config: how much of the atlas the page holds; None means `PackConfig()` for a folder, and
        `ONE_FILE` for a file.

    Returns:
      The page.

    Raises:
      FileNotFoundError: if there is no atlas, or no file of `config.columns`.
      ValueError: if an atlas is damaged, a file of columns is wrong, or the page is too large for
        one file, if the target is something else, if both `html` and `site` are given, or neither
        for an atlas in memory.
      OSError: if the page cannot be written.
    """
    if html is not None and site is not None:
        raise ValueError("html, site: expected at most one of them")
    if isinstance(atlas, Atlas) and html is None and site is None:
        raise ValueError("html, site: expected one of them, as the atlas is not in a folder")
    with contextlib.ExitStack() as stack:
        folder, *more = (stack.enter_context(as_folder(each)) for each in (atlas, *others))
        if html is not None:
            return export_html(folder, html, others=more, config=config)
        if site is None and is_url(atlas):
            folder = stack.enter_context(updating(folder))
        return export_folder(folder, out=site, others=more, config=config)


@contextlib.contextmanager
def as_folder(atlas: Atlas | str | Path) -> Iterator[Path]:
    """Yield the folder of an atlas; one in memory is saved to a temporary folder for the block."""
    if not isinstance(atlas, Atlas):
        yield local(atlas)
        return
    with tempfile.TemporaryDirectory(prefix="jatlas-") as scratch:
        yield save(atlas, Path(scratch) / "atlas")


def has_page(folder: str | Path) -> bool:
    """Return whether a folder holds a page that `export_folder` wrote.

    Example:
      >>> has_page("a folder that does not exist")
      False
    """
    return holds_page(Path(folder)) and (Path(folder) / PAGE).exists()


def export_folder(
    folder: str | Path,
    *,
    out: str | Path | None = None,
    others: Sequence[str | Path] = (),
    config: PackConfig | None = None,
) -> Path:
    """Write the page of an atlas as `index.html` and the folder `viewer`.

    Args:
      folder: an atlas of format `jatlas/1`.
      out: the folder to write to; None means into the atlas itself. Another folder then holds
        nothing but the page, for publishing.
      others: folders of further atlases to show on the same page.
      config: how much of the atlas the page holds; None means `PackConfig()`.

    Returns:
      The page. An earlier page there is replaced, whole or not at all.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if it is damaged, or `index.html` or `viewer` is there and not from an export.
      OSError: if the page cannot be written.
    """
    source = Path(folder)
    target = source if out is None else Path(out)
    viewer, page = target / VIEWER, target / PAGE
    title = _title(source)
    if not holds_page(target):  # without index.html, it is what an interrupted export has left
        for path in (viewer, page):
            if path.exists():
                raise ValueError(f"{path} exists and was not exported: choose another folder")
    with files.replacing_folder(viewer) as new:
        for name in ("data", "tiles"):
            (new / name).mkdir()
        for part in pack(source, others=others, config=config):
            if part.kind == "json":
                (new / "data" / f"{part.name}.js").write_bytes(_script(part.name, part.data))
            else:
                (new / "tiles" / f"{part.name}.{part.kind}").write_bytes(part.data)
        for name in ("viewer.js", "viewer.css"):
            (new / name).write_bytes((ASSETS / name).read_bytes())
    # In some browsers 'self' matches nothing on file://, but the scheme does.
    origin = "'self' file:"
    policy = _POLICY.format(script=origin, style=origin, image=f"{origin} data: blob:")
    head = f'<link rel="stylesheet" href="{VIEWER}/viewer.css">'
    scripts = "".join(
        f'<script src="{VIEWER}/{name}"></script>\n' for name in ("data/atlas.js", "viewer.js")
    )
    files.write_text(page, _page_start(title, policy, head) + scripts + _PAGE_END)
    return page


def export_html(
    folder: str | Path,
    file: str | Path,
    *,
    others: Sequence[str | Path] = (),
    config: PackConfig | None = None,
    max_mb: float = 300,
) -> Path:
    """Write the page of an atlas as a single HTML file.

    Args:
      folder: an atlas of format `jatlas/1`.
      file: the file to write; an existing one is replaced, whole or not at all.
      others: folders of further atlases to show on the same page.
      config: how much of the atlas the file holds; None means `ONE_FILE`, which is less evidence
        and fewer samples than a folder gets.
      max_mb: maximum size of the file in millions of bytes.

    Returns:
      The file.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: if it is damaged, or the file would be larger than `max_mb`.
      OSError: if the file cannot be written.
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
        out.write(_page_start(title, policy, f"<style>{style}</style>").encode())
        for part in pack(source, others=others, config=config or ONE_FILE):
            if part.kind == "json":
                _element(out, part.name, "application/json", part.data)
            else:
                _element(out, part.name, _TYPES[part.kind], base64.b64encode(part.data))
            if out.tell() > max_mb * _MB:
                raise ValueError(
                    f"max_mb: the file would exceed {max_mb:g} MB: export a folder instead"
                )
        out.write(f"<script>{script}</script>\n{_PAGE_END}".encode())
    return target


def _script(name: str, data: bytes) -> bytes:
    # A script rather than JSON, as a page on file:// may not fetch.
    start = f"{PAGE_DATA.decode()}self.jatlasParts||[]).push([{json.dumps(name)},"
    return start.encode() + data + b"]);\n"


def _element(out: IO[bytes], name: str, kind: str, data: bytes) -> None:
    # Its type is not a script's: the browser does not run it, and it is parsed when asked for.
    out.write(f'<script type="{kind}" data-jatlas="{name}">'.encode() + data + b"</script>\n")


def _title(folder: Path) -> str:
    info = read_info(folder)
    try:
        name = read_about(info).get("network", "a network")
    except ValueError as error:
        raise ValueError(f"{folder} is a damaged atlas: {error}") from error
    # Escapes in atlas.json can hold lone surrogates, which no encoding can write.
    return f"Activation atlas of {name}".encode("utf-8", "replace").decode()


def _page_start(title: str, policy: str, head: str) -> str:
    page = (ASSETS / "page.html").read_text(encoding="utf-8")
    start, _ = page.split("<!-- scripts -->")
    for placeholder, text in (
        ("<!-- title -->", escape(title)),
        ("<!-- policy -->", escape(policy)),
        ("<!-- head -->", head),
    ):
        start = start.replace(placeholder, text, 1)
    return start


_PAGE_END = "</body>\n</html>\n"
