"""The whole images behind the exemplars of an atlas, for a page that may show them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from jatlas.collect import Folder, ImageError, read_whole, stored_folder
from jatlas.pixels import to_uint8
from jatlas.storage import MapEntry, inside
from jatlas.synthetic import Synthetic
from jatlas.types import HostArray, in_order

_QUALITY = 80
_WORKERS = 2
_AHEAD = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pictures:
    """Where the images of an atlas are, and how large they are shown.

    Attributes:
      source: the images: files, or those that jatlas draws.
      px: maximum of the longer side.
    """

    source: Folder | Synthetic
    px: int

    @property
    def about(self) -> dict[str, Any]:
        """What the manifest says: "px", and as "kept" the part of them that the network saw.

        That is the side of a centred square as a share of the shorter side; None for all of the
        image, its sides scaled to a square.
        """
        kept = self.source.preprocess.kept if isinstance(self.source, Folder) else 1.0
        return {"px": self.px, "kept": kept}

    def parts(self, numbers: Iterable[int]) -> Iterator[tuple[str, bytes]]:
        """Yield name and JPEG of some images, by their numbers.

        Raises:
          ValueError: if an image cannot be read.
        """
        read = self._files if isinstance(self.source, Folder) else self._drawn
        with contextlib.closing(read(sorted(set(numbers)))) as found:
            for number, data in found:
                yield f"i{number}", data

    def _files(self, numbers: list[int]) -> Generator[tuple[int, bytes], None, None]:
        yield from in_order(self._file, numbers, workers=_WORKERS, ahead=_AHEAD)

    def _file(self, number: int) -> tuple[int, bytes]:
        assert isinstance(self.source, Folder)
        try:
            file = self.source.file(number)
            pixels = read_whole(file, px=self.px, max_pixels=self.source.preprocess.max_pixels)
        except ImageError as error:
            path = inside(self.source.root, self.source.paths[number])
            raise ValueError(f"images: {path}: {error}") from error
        return number, _jpeg(pixels)

    def _drawn(self, numbers: list[int]) -> Generator[tuple[int, bytes], None, None]:
        assert isinstance(self.source, Synthetic)
        for item in self.source.reload(numbers):
            assert item.image is not None
            picture = Image.fromarray(to_uint8(item.image))
            picture.thumbnail((self.px, self.px))
            yield item.index, _jpeg(np.asarray(picture))


def open_pictures(
    info: dict[str, Any], names: list[str], *, px: int, root: str | None = None
) -> Pictures:
    """Return the images that an atlas was built of.

    Args:
      info: what atlas.json says.
      names: of the images.
      px: maximum of the longer side.
      root: folder that they have moved to, or its URL; None means where they were.

    Raises:
      ValueError: if they are not there, or are others; or if the atlas does not say which they are.
    """
    drawn = _synthetic(info)
    if drawn is not None and root is None:
        return Pictures(source=drawn, px=px)
    try:
        return Pictures(source=stored_folder(info, tuple(names), root=root), px=px)
    except ValueError as error:
        raise ValueError(f"images: expected the atlas's own, but {error}") from error


def exemplar_images(maps: Iterable[MapEntry]) -> Iterator[int]:
    """Yield the numbers of the images of all exemplars, as atlas.json lists them."""
    for entry in maps:
        for grid in entry.grids:
            for listed in grid.images or []:
                yield from listed


def _synthetic(info: dict[str, Any]) -> Synthetic | None:
    """Return the source of images that jatlas draws, if an atlas is of such and says which."""
    stored = info.get("source", {})
    if stored.get("kind") != "synthetic":
        return None
    try:
        key = jax.random.wrap_key_data(jnp.asarray(stored["key"], jnp.uint32))
        source = Synthetic(stored["count"], key=key, size=stored["size"], classes=stored["classes"])
    except (KeyError, TypeError, ValueError):  # as a newer version may draw, or another tool write
        return None
    return source if source.fingerprint().items() <= stored.items() else None


def _jpeg(pixels: HostArray) -> bytes:
    """Encode pixels, which know nothing of where they are from, as JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="jpeg", quality=_QUALITY, optimize=True)
    return file.getvalue()
