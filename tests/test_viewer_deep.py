"""Deep zoom of the viewer: cells open into their real places, and these into whole images."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import viewer_atlas
from test_viewer_modules import run
from viewer_page import Open, Seen

from jatlas.records import Atlas
from jatlas.show import PackConfig, export_folder, serving
from jatlas.storage import load

SIZE = 3  # cells along each side of the finest grid
HOSTILE = viewer_atlas.HOSTILE[0].replace("/", "")
BOXES = (
    "((grid) => Array.from(grid.cell, (cell, i) => [cell, v.panes[0].places.boxes(grid, i)"
    ".map(({k, left, top, side}) => [k, left, top, side])]))(v.stage.current.grid)"
)
LIGHTBOX = ".j-lightbox[open]"


@pytest.fixture(scope="module")
def atlas(whole: Path) -> Atlas:
    return load(whole)


def exported(folder: Path, path: Path, **config: Any) -> Path:
    copy = Path(shutil.copytree(folder, path))
    export_folder(copy, config=PackConfig(**config))
    return copy


@pytest.fixture(scope="module")
def page(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with whole images and their names."""
    folder = exported(whole, tmp_path_factory.mktemp("deep") / "atlas", images=20, paths=True)
    with serving(folder) as url:
        yield url


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with real places of unknown points, no whole images, and hostile names."""
    path = viewer_atlas.make(tmp_path_factory.mktemp("plain") / "atlas", sizes=(8,), layers=1)
    viewer_atlas.add_exemplars(path, layer="mixed4c", size=8)
    export_folder(path, config=PackConfig(paths=True))
    with serving(path) as url:
        yield url


def zoom(seen: Seen, px: float, *, at: tuple[float, float] = (0.5, 0.5)) -> None:
    """Show cells at a width; their crops are drawn then."""
    side = "Math.min(v.camera.width, v.camera.height) * .94"
    seen(f"v.camera.set({at[0]}, {at[1]}, {px} * v.stage.current.grid.size / ({side}))")
    seen.wait()
    seen.wait("!jatlasViewer.crops.waiting && !jatlasViewer.dirty")


def corner(seen: Seen, cell: int, size: int = SIZE) -> tuple[np.ndarray, float]:
    """Left and top of a cell on the canvas, and its width."""
    row, column = divmod(cell, size)
    at = seen(f"v.camera.toScreen({column} / {size}, {row} / {size})")
    return np.array(at), seen(f"v.camera.scale / {size}")


def colours(seen: Seen, boxes: list[list[float]]) -> np.ndarray:
    """Average colours of squares [left, top, side] of the canvas."""
    return np.array(
        seen(
            """a.map(([left, top, side]) => {
              const [canvas, dpr] = [new OffscreenCanvas(16, 16), v.stage.dpr];
              const context = canvas.getContext("2d", {willReadFrequently: true});
              const from = [left, top, side, side].map((value) => value * dpr);
              context.drawImage(v.canvas, ...from, 0, 0, 16, 16);
              const {data} = context.getImageData(3, 3, 10, 10);
              const mean = (c) => data.filter((_, i) => i % 4 === c).reduce((a, b) => a + b) / 100;
              return [0, 1, 2].map(mean);
            })""",
            boxes,
        )
    )


def overlap(one: np.ndarray, other: np.ndarray, slack: float) -> bool:
    """Whether boxes [left, top, right, bottom] overlap by more than some slack."""
    return bool((one[:2] < other[2:] - slack).all() and (other[:2] < one[2:] - slack).all())


def in_view(seen: Seen) -> list[tuple[int, list[list[float]]]]:
    return [(cell, boxes) for cell, boxes in seen(BOXES) if boxes]


def test_a_strip_shows_up_to_four_crops_within_the_cell(
    open_: Open, page: str, atlas: Atlas
) -> None:
    seen = open_(page)
    zoom(seen, 180)
    grid = atlas.maps[0].grids[-1]
    assert grid.exemplars is not None and grid.crops is not None
    known = (grid.exemplars >= 0).sum(1)
    assert known.max() > 4
    found = in_view(seen)
    assert [len(boxes) for _, boxes in found] == np.minimum(known, 4).tolist()
    assert seen("v.panes[0].places.drawn") == np.minimum(known, 4).sum()
    for number, (cell, boxes) in enumerate(found):
        at, width = corner(seen, cell)
        lefts, tops, sides = np.array(boxes)[:, 1:].T
        np.testing.assert_allclose(tops, tops[0])
        assert (lefts >= at[0]).all() and (lefts[:-1] + sides[:-1] <= lefts[1:]).all()
        assert lefts[-1] + sides[-1] <= at[0] + width
        assert (at[1] + width / 2 < tops).all() and (tops + sides <= at[1] + width - 20).all()
        shown = colours(seen, [box[1:] for box in boxes])
        crops = grid.crops[number].astype(float)
        edge = crops.shape[1] * 3 // 16
        true = crops[: len(boxes), edge:-edge, edge:-edge].mean((1, 2))
        np.testing.assert_allclose(shown, true, atol=14)


@pytest.mark.parametrize("px", [240, 520])
def test_crops_stand_at_the_points_of_their_samples(
    open_: Open, page: str, atlas: Atlas, px: int
) -> None:
    seen = open_(page, size=(1400, 900))
    zoom(seen, px)
    owner = atlas.maps[0]
    grid = owner.grids[-1]
    assert grid.exemplars is not None
    points, exact = np.asarray(owner.points), 0
    found = in_view(seen)
    assert [len(boxes) for _, boxes in found] == (grid.exemplars >= 0).sum(1).tolist()
    for number, (cell, boxes) in enumerate(found):
        at, width = corner(seen, cell)
        placed = np.array([[*(np.array(box[1:3]) - at), box[3]] for box in boxes]) / width
        squares = np.column_stack([placed[:, :2], placed[:, :2] + placed[:, 2:]])
        assert (squares >= 0).all() and (squares <= 1).all()
        icon = np.array(
            seen(
                "(({left, top, side}) => [left, top, left + side, top + side])"
                f"(v.panes[0].places.icon(v.stage, v.stage.current.grid, {number}))"
            )
        )
        icon = (icon - [*at, *at]) / width
        assert (icon >= 0).all() and (icon <= 1).all()
        others = [icon, *squares]
        for k, square in enumerate(squares):
            blocks = [other for j, other in enumerate(others) if j != k + 1]
            assert not any(overlap(square, other, 1e-3) for other in blocks)
            # Moved from its point only where it would lie on another one, or leave the cell.
            row, column = divmod(cell, SIZE)
            point = points[grid.exemplars[number, k]] * SIZE - (column, row)
            half = placed[k, 2] / 2
            own = np.array([*(point - half), *(point + half)])
            if np.abs(own - square).max() < 2e-3:
                exact += 1
                continue
            outside = (own[:2] < 0.02).any() or own[2] > 0.98 or own[3] > 0.9
            assert outside or any(overlap(own, other, -0.02) for other in blocks)
    assert exact >= len(found)


def test_squares_are_placed_apart_and_inside() -> None:
    rng = np.random.default_rng(4)
    sets = [rng.uniform(0, 1, (count, 2)) for count in (1, 4, 9, 9, 12)]
    sets += [np.full((9, 2), 0.03), np.full((9, 2), 0.5), rng.uniform(0.4, 0.6, (12, 2))]
    box, taken, side = [0.01, 0.01, 0.99, 0.9], [0.01, 0.01, 0.37, 0.37], 0.18
    body = "return data.sets.map((points) => [...spread(Float64Array.from(points), data.side, data.box, data.taken)]);"  # noqa: E501
    data = {"sets": [points.ravel().tolist() for points in sets], "box": box, "taken": taken}
    for found in run("spread.js", "spread", body, data | {"side": side}):
        middles = np.reshape(found, (-1, 2))
        squares = np.hstack([middles - side / 2, middles + side / 2])
        assert (squares[:, :2] >= np.array(box[:2]) - 1e-6).all()
        assert (squares[:, 2:] <= np.array(box[2:]) + 1e-6).all()
        for k, square in enumerate(squares):
            assert not any(overlap(square, other, 1e-5) for other in squares[k + 1 :])
            assert not overlap(square, np.array(taken), 1e-5)
    alone = run(
        "spread.js",
        "spread",
        body,
        {"sets": [[0.6, 0.7]], "side": side, "box": box, "taken": taken},
    )
    assert alone == [[0.6, 0.7]]


def test_a_box_lies_where_the_network_saw_it() -> None:
    body = "return data.map(([w, h, kept, box]) => boxIn(w, h, kept, box));"
    whole, part = [0, 0, 1, 1], [0, 0.5, 0.25, 1]
    cases = [[200, 100, 1, whole], [100, 200, 0.5, part], [200, 100, None, part]]
    expected = [[0.25, 0, 0.75, 1], [0.25, 0.5, 0.375, 0.625], part]
    np.testing.assert_allclose(run("crops.js", "boxIn", body, cases), expected)


def strips(seen: Seen) -> list[str]:
    return [url for url in seen.asked if "-x" in url.rsplit("/", 1)[1]]


def test_nothing_is_asked_for_below_120_px(open_: Open, page: str) -> None:
    seen = open_(f"{page}#at=0.5,0.5,0.6")
    assert 100 < seen("v.camera.scale / v.stage.current.grid.size") < 120
    assert not strips(seen) and seen("v.panes[0].places.drawn") == 0
    zoom(seen, 121)
    assert len(strips(seen)) == 1


def press(seen: Seen, number: int, k: int) -> None:
    """Click a crop of a cell on the map."""
    boxes = seen(BOXES)[number][1]
    left, top, side = next(box[1:] for box in boxes if box[0] == k)
    canvas = seen.page.locator(".j-canvas").bounding_box()
    seen.page.mouse.click(canvas["x"] + left + side / 2, canvas["y"] + top + side / 2)


def test_a_click_opens_the_whole_image_with_the_place_framed(
    open_: Open, page: str, atlas: Atlas
) -> None:
    seen = open_(page, size=(1400, 900))
    zoom(seen, 300)
    owner = atlas.maps[0]
    grid = owner.grids[-1]
    assert grid.exemplars is not None and grid.boxes is not None
    count = int((grid.exemplars[4] >= 0).sum())
    press(seen, 4, 1)
    seen.wait(f"document.querySelector('{LIGHTBOX} .j-light-box') !== null")
    lightbox = seen.page.locator(LIGHTBOX)
    assert f"Real place 2 of {count}" in lightbox.inner_text()
    name = atlas.images[owner.samples.source[grid.exemplars[4, 1], 0]]
    assert name in lightbox.inner_text()
    picture = lightbox.locator(".j-light-whole").bounding_box()
    box = lightbox.locator(".j-light-box").bounding_box()
    top, left, bottom, right = grid.boxes[4, 1]
    kept = 16 / 18
    inset = (1 - kept) / 2  # images are square
    expected = [inset + kept * value for value in (left, top, right, bottom)]
    found = [
        (box["x"] - picture["x"]) / picture["width"],
        (box["y"] - picture["y"]) / picture["height"],
        (box["x"] + box["width"] - picture["x"]) / picture["width"],
        (box["y"] + box["height"] - picture["y"]) / picture["height"],
    ]
    np.testing.assert_allclose(found, expected, atol=0.02)
    seen.page.keyboard.press("ArrowLeft")
    seen.page.keyboard.press("ArrowLeft")
    assert seen("v.lightbox.place.k") == count - 1
    seen.page.get_by_role("button", name="Next real place").click()
    assert seen("v.lightbox.place.k") == 0
    seen.page.keyboard.press("Escape")
    assert lightbox.count() == 0
    assert seen("document.activeElement === v.canvas && v.state.pinned === null")


def test_crops_of_the_panel_are_buttons_and_get_the_focus_back(open_: Open, page: str) -> None:
    seen = open_(page)
    seen(f"v.model.grid(0, {SIZE}).then((grid) => v.pin({{grid, i: 4}}))")
    button = seen.page.get_by_role("button", name="Real place 3 of")
    button.press("Enter")
    seen.wait(f"document.querySelector('{LIGHTBOX} .j-light-whole') !== null")
    assert seen("v.lightbox.place.k === 2 && document.activeElement.closest('dialog') !== null")
    seen.page.keyboard.press("Escape")
    assert seen("document.activeElement.getAttribute('aria-label')").startswith("Real place 3")
    assert seen("v.state.pinned.i") == 4


def test_without_points_and_images_there_are_the_strip_and_a_sentence(
    open_: Open, plain: str
) -> None:
    seen = open_(plain)
    zoom(seen, 300)
    cell, boxes = next((cell, boxes) for cell, boxes in in_view(seen) if boxes)
    assert len(boxes) == 3
    at, width = corner(seen, cell, 8)
    assert all(at[1] + width / 2 < top for _, _, top, _ in boxes)
    number = seen("v.stage.current.grid.find(.51, .51)")
    press(seen, number, 0)
    seen.wait(f"document.querySelector('{LIGHTBOX} .j-light-note') !== null")
    lightbox = seen.page.locator(LIGHTBOX)
    assert "jatlas export --images 256" in lightbox.inner_text()
    assert lightbox.locator(".j-light-crop").count() == 1
    assert lightbox.locator(".j-light-box").count() == 0
    assert HOSTILE in lightbox.inner_text() and lightbox.locator("img").count() == 0
    assert seen("document.title") != "pwned"


def test_the_tag_names_the_place_and_its_file(open_: Open, plain: str) -> None:
    seen = open_(plain)
    zoom(seen, 200)
    number = seen("v.stage.current.grid.find(.51, .51)")
    left, top, side = seen(BOXES)[number][1][1][1:]
    canvas = seen.page.locator(".j-canvas").bounding_box()
    seen.page.mouse.move(canvas["x"] + left + side / 2, canvas["y"] + top + side / 2)
    tag = seen.page.locator(".j-tag").inner_text()
    assert "Real place 2 of 3" in tag and "holiday/" in tag and "<img" in tag
    seen.wait()
    assert seen("v.panes[0].places.hovered.k") == 1
    seen.page.mouse.move(canvas["x"] + left + side / 2, canvas["y"] + top - 40)
    assert "Real place" not in seen.page.locator(".j-tag").inner_text()


def test_an_atlas_without_exemplars_opens_into_nothing(open_: Open, tmp_path: Path) -> None:
    path = viewer_atlas.make(tmp_path / "atlas", sizes=(4,), layers=1)
    export_folder(path)
    seen = open_((path / "index.html").as_uri())
    zoom(seen, 300)
    assert seen("v.panes[0].places.drawn") == 0 and in_view(seen) == []
    assert not strips(seen)
