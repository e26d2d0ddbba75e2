"""The figure of a grid: what is drawn is what the atlas holds, and can be read."""

import base64
import dataclasses
import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from viewer_atlas import HOSTILE

from jatlas.cli._main import main
from jatlas.pixels import mosaic
from jatlas.records import Atlas, Grid, Icons, Info, Map, Names, Regions, Samples
from jatlas.show import overview
from jatlas.storage import load, save
from jatlas.storage._figure import GROUND, Dot, Figure, Line, Picture, Text, plain, text_width
from jatlas.storage._figure_png import to_pixels
from jatlas.storage._figure_svg import to_svg
from jatlas.storage._overview import by_count, icon_sides, lay_out

SIZE, PX = 6, 20
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
TITLES = ("grey whale", "great white shark", *HOSTILE)


def make_grid(counts: np.ndarray, *, px: int = PX) -> Grid:
    size = len(counts)
    cells = np.flatnonzero(counts).astype(np.int32)
    ones = np.ones(len(cells), np.float32)
    images = np.random.default_rng(1).integers(0, 200, (len(cells), px, px, 3), np.uint8)
    return Grid(
        size=size,
        mean=np.zeros((size, size, 2), np.float32),
        count=counts.astype(np.int32),
        evidence=np.zeros((size, size, len(TITLES)), np.float32),
        cells=cells,
        icons=Icons(images=images, scores=ones, cosines=ones),
    )


def make_regions(names: tuple[str, ...], centers: np.ndarray, *, level: int = 0) -> Regions:
    count = len(names)
    numbers = np.arange(count, dtype=np.int32)
    ones = np.ones(count, np.int32)
    shares = np.ones(count, np.float32)
    centers = centers.astype(np.float32)
    return Regions(
        names=Names(
            vocabulary=names,
            name=numbers,
            shown=ones,
            images=ones,
            held_out=shares,
            held_out_images=ones,
        ),
        level=np.full(count, level, np.int32),
        parent=np.full(count, -1, np.int32),
        center=centers,
        typical=centers,
        cover=np.resize(numbers, (level + 1, count + 1, count + 1)),
    )


def make_atlas(
    *,
    counts: np.ndarray | None = None,
    regions: Regions | None = None,
    classes: tuple[int, ...] = (),
    axes: Info | None = None,
) -> Atlas:
    rng = np.random.default_rng(2)
    if counts is None:
        counts = rng.integers(0, 9, (SIZE, SIZE))
    grid = make_grid(counts)
    total = int(counts.sum())
    source = np.zeros((total, 3), np.int32)
    source[:, 0] = np.arange(total) // 3
    samples = Samples(
        vectors=np.zeros((total, 2), np.float32),
        source=source,
        evidence=np.zeros((total, len(TITLES)), np.float16),
        moment=np.eye(2, dtype=np.float32),
    )
    kind = ("layer", "class", "comparison")[len(classes)]
    made = Map(
        layer="mixed4c",
        samples=samples,
        points=np.full((total, 2), 0.5, np.float32),
        grids=(grid,),
        kind=kind,
        classes=classes,
        rows=np.arange(total) if classes else None,
        axes=axes,
        regions=regions,
    )
    images = tuple(f"{number}.jpg" for number in range(-(-total // 3)))
    return Atlas(maps=(made,), images=images, classes=TITLES, info=Info(network="googlenet_bvlc"))


def figure_of(atlas: Atlas) -> Figure:
    return lay_out(atlas, atlas.maps[0], atlas.maps[0].grids[0])


def texts(figure: Figure) -> list[Text]:
    return [part for part in figure.parts if isinstance(part, Text)]


def bounds(text: Text) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a line of text."""
    width = text_width(text.words, text.size, bold=text.bold)
    left = text.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor] * width
    return left, text.y - 0.8 * text.size, left + width, text.y + 0.25 * text.size


CROWDED = make_regions(
    tuple(f"region {number} of many {'m' * 8 * number}" for number in range(9)),
    np.array([(0.4, 0.45)] * 7 + [(0.9, 0.95), (0.9, 0.06)]),
)
RICH = make_atlas(
    regions=CROWDED,
    classes=(0, 1),
    axes=Info(x=["grey whale", "great white shark"], y=["small", "large"]),
)
HARD = make_atlas(regions=make_regions(HOSTILE, np.full((4, 2), 0.3)), classes=(3,))


def test_the_area_of_an_icon_follows_its_count() -> None:
    counts = np.array([[1, 4, 0], [9, 16, 25], [36, 100, 400]])
    grid, pitch = make_grid(counts), 60
    drawn = by_count(grid, pitch=pitch).reshape(3, pitch, 3, pitch, 3)
    found = (drawn != GROUND).any(axis=-1).sum(axis=(1, 3))
    expected = pitch**2 * np.minimum(counts / counts.mean(), 1)
    np.testing.assert_allclose(np.sqrt(found), np.sqrt(expected), atol=0.5)


def test_icons_have_the_sizes_of_the_page() -> None:
    # `Grid.side(i, 1)` of the viewer's model.js gave these numbers.
    sides = icon_sides(np.array([3, 1, 7, 2]), size=3)
    np.testing.assert_allclose(sides, [1, 0.8320502943378437, 1, 1])
    sides = icon_sides(np.array([30, 1, 7, 2]), size=3)
    np.testing.assert_allclose(sides, [1, 0.4743416490252569, 1, 0.6708203932499369])


def test_an_icon_that_fills_its_cell_is_drawn_as_it_is() -> None:
    grid = make_grid(np.full((2, 2), 5))
    np.testing.assert_array_equal(
        by_count(grid, pitch=PX), mosaic(grid.icons.images, grid.cells, size=2, px=PX)
    )


@pytest.mark.parametrize("atlas", [RICH, HARD, make_atlas()], ids=["rich", "hard", "plain"])
def test_text_is_inside_and_apart(atlas: Atlas) -> None:
    figure = figure_of(atlas)
    boxes = [bounds(text) for text in texts(figure)]
    for left, top, right, bottom in boxes:
        assert left >= 0 and top >= 0 and right <= figure.width and bottom <= figure.height
    for number, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:number]:
            apart = left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]
            assert apart, (texts(figure)[number], other)
    drawn = to_pixels(figure)
    assert drawn.shape == (figure.height, figure.width, 3)
    edge = np.ones(drawn.shape[:2], bool)
    edge[4:-4, 4:-4] = False
    assert (drawn[edge] == GROUND).all()


def test_lines_run_between_rows_and_end_at_names() -> None:
    figure = figure_of(RICH)
    (picture,) = [part for part in figure.parts if isinstance(part, Picture)]
    pitch = picture.pixels.shape[0] // SIZE
    lines = [part for part in figure.parts if isinstance(part, Line)]
    dots = [part for part in figure.parts if isinstance(part, Dot)]
    names = [text for text in texts(figure) if text.words.startswith("region")]
    assert len(lines) == len(dots) == len(names) == 9
    for line, dot, name in zip(lines, dots, names, strict=True):
        start, edge, *_, end = line.points
        assert start == (dot.x, dot.y) and start[1] == edge[1]
        row = (start[1] - picture.y) / pitch
        assert 0 <= row <= SIZE and row == int(row)
        assert abs(end[1] - name.y) < name.size and abs(end[0] - name.x) < name.size
    starts = [(line.points[1]) for line in lines]
    assert len(set(starts)) == 9  # seven at one side of seven rows' edges, two at the other


def test_smaller_regions_are_named_where_large_ones_are_few() -> None:
    some = make_regions(("sea", "sky", "sea", "fish"), np.full((4, 2), 0.5))
    some = dataclasses.replace(some, level=np.array([0, 0, 1, 1], np.int32))
    words = [text.words for text in texts(figure_of(make_atlas(regions=some)))]
    assert words.count("sea") == 1 and words.count("sky") == 1 and words.count("fish") == 1


def test_the_title_and_the_numbers_are_those_of_the_map() -> None:
    words = [text.words for text in texts(figure_of(RICH))]
    assert words[0] == "grey whale / great white shark (GoogLeNet, mixed4c)"
    total = len(RICH.maps[0].samples)
    assert words[1] == f"{total} activations of {-(-total // 3)} images, 6 × 6 cells"  # noqa: RUF001
    assert {"← grey whale", "great white shark →", "↑ large", "↓ small"} <= set(words)


@pytest.mark.parametrize("atlas", [RICH, HARD], ids=["rich", "hard"])
def test_an_svg_holds_the_same_text_and_refers_to_nothing(atlas: Atlas) -> None:
    figure = figure_of(atlas)
    root = ElementTree.fromstring(to_svg(figure))
    written = [
        (x.text, float(x.get("x", "")), x.get("text-anchor")) for x in root.iter(f"{SVG}text")
    ]
    for (words, x, anchor), text in zip(written, texts(figure), strict=True):
        assert (words, anchor) == (text.words, text.anchor) and words == plain(text.words)
        assert abs(x - text.x) < 0.01
    known = {"svg", "title", "rect", "image", "polyline", "circle", "text"}
    assert {x.tag.removeprefix(SVG) for x in root.iter()} <= known
    links = [x.get(LINK, "") for x in root.iter() if LINK in x.attrib]
    (start, content), *others = (link.split(",") for link in links)
    assert start == "data:image/jpeg;base64" and not others
    (picture,) = [part for part in figure.parts if isinstance(part, Picture)]
    with Image.open(io.BytesIO(base64.b64decode(content))) as embedded:
        assert embedded.size == picture.pixels.shape[1::-1]
        far = np.abs(np.asarray(embedded).astype(int) - picture.pixels)
    assert far.mean() < 6


@pytest.mark.parametrize(
    "counts",
    [np.array([[3]]), np.eye(1, 400, 41).reshape(20, 20), np.zeros((4, 4))],
    ids=["one cell of one", "one cell of 400", "none"],
)
def test_maps_of_few_cells_are_drawn(counts: np.ndarray, tmp_path: Path) -> None:
    for regions in (None, make_regions(("sea", "sky"), np.array([(0.5, 0.5), (0.1, 0.5)]))):
        atlas = make_atlas(counts=counts.astype(int), regions=regions)
        for name in ("a.png", "a.svg"):
            overview(atlas, tmp_path / name)
        with Image.open(tmp_path / "a.png") as picture:
            assert picture.size == (figure_of(atlas).width, figure_of(atlas).height)


def test_names_of_any_length_are_cut_off() -> None:
    figure = figure_of(HARD)
    assert figure.width < 2410
    cut = [text.words for text in texts(figure) if text.words.endswith("…")]
    assert any(words.startswith("xxx") and len(words) < 100 for words in cut)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_equal_atlases_give_equal_bytes(suffix: str, tmp_path: Path) -> None:
    folder = save(RICH, tmp_path / "atlas")
    one = overview(folder, tmp_path / f"one{suffix}")
    other = overview(RICH, tmp_path / f"other{suffix.upper()}", map=RICH.maps[0].path, grid=SIZE)
    assert one.read_bytes() == other.read_bytes()
    if suffix == ".png":
        saved = folder / RICH.maps[0].path / f"overview-{SIZE}.png"
        assert saved.read_bytes() == one.read_bytes()


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    target = tmp_path / "figure.gif"
    with pytest.raises(ValueError, match=r"figure\.gif: expected a suffix of \.png or \.svg"):
        overview(RICH, target)
    with pytest.raises(ValueError, match="map: expected one of mixed4c-compare-0-1, got 'other'"):
        overview(RICH, tmp_path / "a.png", map="other")
    with pytest.raises(ValueError, match="grid: expected one of 6"):
        overview(RICH, tmp_path / "a.png", grid=7)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_exports_a_figure(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, target = save(RICH, tmp_path / "atlas"), tmp_path / "figures" / "atlas.svg"
    assert main(["export", str(folder), "--overview", str(target), "--grid", str(SIZE)]) == 0
    assert capfd.readouterr().out.strip() == str(target)
    assert target.read_text("utf-8") == to_svg(figure_of(load(folder)))
    assert not (folder / "index.html").exists()
    assert main(["export", str(folder), "--map", "mixed4c-compare-0-1"]) == 2
    assert "map: expected only with --overview or --table" in capfd.readouterr().err
