"""The real places behind the cells of a page, and the whole images, where those may be shown."""

import base64
import json
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from atlases import IMAGES
from helpers import tiny_network, tiny_params
from PIL import Image

from jatlas import Synthetic, collect
from jatlas.arrange import cell_index
from jatlas.show import PackConfig, pack
from jatlas.show._pictures import Pictures, open_pictures
from jatlas.storage import files, load


def parts_of(folder: Path, **config: Any) -> dict[str, bytes]:
    return {part.name: part.data for part in pack(folder, config=PackConfig(**config))}


def column(values: dict[str, str], *shape: int) -> np.ndarray:
    flat = np.frombuffer(base64.b64decode(values["data"]), f"<{values['type']}")
    return flat.reshape(*shape).astype(np.int64)


def unsigned(whole: Path, to: Path, **changes: Any) -> Path:
    """Copy an atlas as another tool would leave it, without checksums."""
    shutil.copytree(whole, to)
    info = json.loads((to / "atlas.json").read_text()) | changes
    for entry in (info, *info["maps"]):
        del entry["crc32"]
    (to / "atlas.json").write_text(json.dumps(info))
    return to


def pictures_in(parts: dict[str, bytes]) -> set[int]:
    return {int(name[1:]) for name in parts if name.startswith("i")}


def test_places_lie_in_their_cell_and_boxes_hold_their_position(whole: Path) -> None:
    parts, atlas = parts_of(whole), load(whole)
    for number, owner in enumerate(atlas.maps):
        rows, columns, _ = tiny_network().activation_shape(
            tiny_params(), (16, 16), layer=owner.layer
        )
        for grid in owner.grids:
            assert grid.exemplars is not None and grid.boxes is not None
            known = grid.exemplars >= 0
            assert known[:, 0].all()
            found = json.loads(parts[f"m{number}-g{grid.size}"])
            image = column(found["place_image"], *known.shape)
            source = np.asarray(owner.samples.source)[grid.exemplars]
            np.testing.assert_array_equal(image, np.where(known, source[..., 0], -1))
            point = (column(found["places"], *known.shape, 2) + 0.5) / 65536
            own = np.asarray(cell_index(point.reshape(-1, 2), size=grid.size)).reshape(known.shape)
            assert (own == grid.cells[:, None])[known].all()
            left, top, right, bottom = (column(found["place_box"], *known.shape, 4) / 65535).T
            x, y = (source[..., 2].T + 0.5) / columns, (source[..., 1].T + 0.5) / rows
            inside = (left >= 0) & (left < x) & (x < right) & (right <= 1)
            inside &= (top >= 0) & (top < y) & (y < bottom) & (bottom <= 1)
            np.testing.assert_array_equal(inside, known.T)


def test_images_are_in_a_page_only_if_they_are_asked_for(whole: Path) -> None:
    without, parts = parts_of(whole), parts_of(whole, images=12)
    assert not pictures_in(without) and "pictures" not in json.loads(without["atlas"])
    manifest = json.loads(parts["atlas"])
    assert manifest["pictures"] == {"px": 12, "kept": 16 / 18} and "images" not in manifest
    used: set[int] = set()
    for owner in load(whole).maps:
        for grid in owner.grids:
            assert grid.exemplars is not None
            rows = grid.exemplars[grid.exemplars >= 0]
            used |= set(owner.samples.source[rows, 0].tolist())
    assert pictures_in(parts) == used and 0 < len(used) < IMAGES
    for number in used:
        assert Image.open(BytesIO(parts[f"i{number}"])).size == (12, 12)
    assert {name: parts[name] for name in without if name != "atlas"} == {
        name: data for name, data in without.items() if name != "atlas"
    }


def test_images_that_have_moved_are_found_where_they_are(
    whole: Path, images: Path, tmp_path: Path
) -> None:
    info = json.loads((whole / "atlas.json").read_text())
    names = (whole / "images.txt").read_text().splitlines()
    moved = Path(shutil.copytree(images, tmp_path / "moved"))
    info["source"]["root"] = str(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"images: expected the atlas's own, but .*gone is gone"):
        open_pictures(info, names, px=8)
    found = open_pictures(info, names, px=8, root=str(moved))
    assert dict(found.parts([3, 3, 0])).keys() == {"i0", "i3"}
    with pytest.raises(ValueError, match=r"images: .*05\.png: empty, damaged"):
        list(found.parts([5]))
    (moved / "07.png").unlink()
    with pytest.raises(ValueError, match="moved holds other images than"):
        open_pictures(info, names, px=8, root=str(moved))


def test_a_whole_image_is_upright_and_says_nothing_of_its_origin(tmp_path: Path) -> None:
    picture = Image.new("RGB", (90, 60), "red")
    picture.paste("blue", (0, 0, 45, 60))  # upright it is above
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "the secret camera"
    picture.save(tmp_path / "a.jpg", exif=exif, comment=b"secret", icc_profile=b"a secret profile")
    source = collect.folder(tmp_path, size=16)
    ((name, data),) = Pictures(source=source, px=30).parts([0])
    shown = Image.open(BytesIO(data))
    assert (name, shown.size) == ("i0", (20, 30))
    assert not shown.getexif() and not shown.info.keys() & {"exif", "comment", "icc_profile"}
    assert b"secret" in (tmp_path / "a.jpg").read_bytes() and b"secret" not in data
    above, below = (np.asarray(shown)[y, 10].astype(int) for y in (5, 25))
    assert above[2] > 200 > 50 > above[0] and below[0] > 200 > 50 > below[2]
    assert Image.open(BytesIO(dict(Pictures(source=source, px=500).parts([0]))["i0"])).size == (
        60, 90,
    )  # fmt: skip


@pytest.mark.slow
def test_images_that_jatlas_draws_are_drawn_again() -> None:
    source = Synthetic(6, key=jax.random.key(1), size=32, classes=("star", "car"))
    info = {"source": {"root": None, "images": 6} | source.fingerprint()}
    found = open_pictures(info, [], px=16)
    assert found.about == {"px": 16, "kept": 1.0}
    ((_, data),) = found.parts([4])
    (expected,) = source.reload([4])
    assert expected.image is not None
    small = expected.image.reshape(16, 2, 16, 2, 3).mean((1, 3))
    assert np.abs(np.asarray(Image.open(BytesIO(data))) / 255 - small).mean() < 0.05
    for changes in ({"key": "none"}, {"classes": ["unheard of"]}, {"kind": "another"}):
        with pytest.raises(ValueError, match="was not built of a folder of images"):
            open_pictures({"source": info["source"] | changes}, [], px=16)


def test_an_atlas_whose_images_were_not_read_again_has_places_alone(
    whole: Path, tmp_path: Path
) -> None:
    copy = unsigned(whole, tmp_path / "copy", source={"root": None, "images": IMAGES})
    path = copy / "conv1" / "cells-3.npz"
    arrays = files.read_arrays(path)
    del arrays["boxes"]
    files.write_arrays(path, arrays)
    cells = json.loads(parts_of(copy)["m0-g3"])
    assert "places" in cells and "place_box" not in cells
    with pytest.raises(ValueError, match="images: expected the atlas's own, but the atlas was not"):
        parts_of(copy, images=8)
    del arrays["exemplars"]
    files.write_arrays(path, arrays)
    assert "place" not in " ".join(json.loads(parts_of(copy)["m0-g3"]))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("exemplars", lambda x: x + 10_000, "exemplars: expected numbers from -1 to"),
        ("exemplars", lambda x: x[:1], "exemplars: expected whole numbers for"),
        ("exemplars", lambda x: x[::-1].copy(), "images that atlas.json lists"),
        ("boxes", lambda x: x + 1, "boxes: expected .* from 0 to 1"),
        ("boxes", lambda x: x[..., :3], r"boxes: expected \(\d, 9, 4\)"),
    ],
)
def test_places_that_do_not_fit_are_refused(
    whole: Path, tmp_path: Path, name: str, change: Any, message: str
) -> None:
    copy = unsigned(whole, tmp_path / "copy")
    path = copy / "conv1" / "cells-3.npz"
    arrays = files.read_arrays(path)
    files.write_arrays(path, arrays | {name: change(arrays[name])})
    with pytest.raises(ValueError, match=message):
        list(pack(copy))
