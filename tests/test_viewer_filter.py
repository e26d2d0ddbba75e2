"""What cells are lit by that is known of their samples, and the filter of samples, in a browser."""

import csv
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pytest
import viewer_atlas
from viewer_atlas import CLASSES, HOSTILE
from viewer_page import Open, Seen

from jatlas.arrange import cell_index
from jatlas.records import Atlas, Hierarchy, Labels
from jatlas.show import PackConfig, export_folder, serving
from jatlas.storage import load, save

SIZE = 8
GROUP = (0, 1)  # the classes of the group "cat"
KINDS = ("coast", HOSTILE[0], "street, wet")


class Known(NamedTuple):
    """A page and what it is made of, in the order of samples or images."""

    url: str
    cells: np.ndarray  # of each sample, by the place of the cell among those with an icon
    image: np.ndarray
    label: np.ndarray
    prediction: np.ndarray
    bright: np.ndarray
    kind: np.ndarray
    score: np.ndarray
    mark: np.ndarray
    other: np.ndarray  # points of the samples in the other atlas


def _changed(atlas: Atlas, rng: np.random.Generator) -> Atlas:
    """The atlas with sources, labels, a group of labels and predictions."""
    count = len(atlas.maps[0].samples)
    source = np.column_stack(
        [np.sort(rng.integers(0, 600, count)), *rng.integers(0, 14, (2, count))]
    )
    samples = dataclasses.replace(atlas.maps[0].samples, source=source.astype(np.int32))
    hierarchy = Hierarchy.of(CLASSES, {name: ["cat"] for name in CLASSES[:2]})
    index = rng.integers(-1, len(CLASSES), 600).astype(np.int32)
    return dataclasses.replace(
        atlas,
        maps=(dataclasses.replace(atlas.maps[0], samples=samples),),
        labels=Labels(index=index, hierarchy=hierarchy, given=True),
        predictions=np.where(rng.random(600) < 0.5, index, rng.integers(-1, 9, 600)).astype(
            np.int32
        ),
    )


def _table(path: Path, *columns: Any) -> str:
    names, values = zip(*columns, strict=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*values, strict=True))
    return str(path)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    rng, path = np.random.default_rng(4), tmp_path_factory.mktemp("filter")
    atlas = _changed(load(viewer_atlas.make(path / "made", sizes=(4, SIZE), layers=1)), rng)
    layer, labels = atlas.maps[0], atlas.labels
    assert labels is not None and atlas.predictions is not None
    points = np.asarray(layer.points)
    moved = np.where(points[:, :1] < 0.5, points, 1 - points).astype(np.float32)
    folder = save(atlas, path / "a")
    other = save(
        dataclasses.replace(atlas, maps=(dataclasses.replace(layer, points=moved),)), path / "b"
    )
    grid = next(grid for grid in layer.grids if grid.size == SIZE)
    count = len(points)
    # The page has them in single precision.
    bright, score = (
        x.astype("f4").astype(float) for x in (rng.random(600), rng.normal(size=count))
    )
    bright[::7] = np.nan
    kind, mark = rng.integers(0, 3, 600), rng.random(len(grid.cells)).astype("f4")
    tables = (
        _table(
            path / "images.csv",
            ("image", range(600)),
            ("bright", ["" if np.isnan(x) else x for x in bright]),
            (HOSTILE[0], [KINDS[i] for i in kind]),
        ),
        _table(path / "samples.csv", ("sample", range(count)), (HOSTILE[1], score)),
        _table(
            path / "cells.csv",
            ("map", ["mixed4c"] * len(mark)),
            ("grid", [SIZE] * len(mark)),
            ("row", np.asarray(grid.cells) // SIZE),
            ("column", np.asarray(grid.cells) % SIZE),
            ("mark", mark),
        ),
    )
    export_folder(folder, others=(other,), config=PackConfig(columns=tables))
    place = np.full(SIZE**2, -1)
    place[np.asarray(grid.cells)] = np.arange(len(grid.cells))
    image = np.asarray(layer.samples.source)[:, 0]
    cells = place[np.asarray(cell_index(points, size=SIZE))]
    with serving(folder) as url:
        yield Known(
            url,
            cells,
            image,
            np.asarray(labels.index),
            atlas.predictions,
            bright,
            kind,
            score,
            mark,
            moved,
        )


def values(seen: Seen, by: str, map_: int = 0) -> np.ndarray | None:
    """Follow a link and return what the cells are lit by, None if by nothing."""
    seen(f"v.links.follow({json.dumps(by)})")
    found = seen(
        "v.state.lit && v.model.grid(a, 8).then((grid) => v.model.heat(grid, v.state.lit.quantity))"
        ".then((heat) => heat && Array.from(heat.values))",
        map_,
    )
    return None if found is None else np.array(found, float)


def mean(known: Known, of: np.ndarray) -> np.ndarray:
    """The mean over the samples of each cell, of those that are not NaN."""
    table = [of[(known.cells == cell) & ~np.isnan(of)] for cell in range(len(known.mark))]
    return np.array([each.mean() if len(each) else np.nan for each in table])


def among(of: np.ndarray, wanted: Any) -> np.ndarray:
    return np.where(of < 0, np.nan, np.isin(of, wanted).astype(float))


def expected(known: Known, kinds: list[str]) -> dict[str, np.ndarray]:
    """What cells are lit by, with the categories in the order of the page."""
    label, prediction = known.label[known.image], known.prediction[known.image]
    kind = np.array([kinds.index(KINDS[i]) for i in known.kind])[known.image]
    both = np.where((label < 0) | (prediction < 0), np.nan, (label == prediction).astype(float))
    return {
        "column-0": mean(known, known.bright[known.image]),
        **{f"column-1-{k}": mean(known, among(kind, k)) for k in range(3)},
        "column-2": mean(known, known.score),
        "column-3": known.mark,
        "label-2": mean(known, among(label, 2)),
        "prediction-1": mean(known, among(prediction, 1)),
        "grouplabel-0": mean(known, among(label, GROUP)),
        "groupprediction-0": mean(known, among(prediction, GROUP)),
        "correct": mean(known, both),
    }


@pytest.mark.slow
def test_cells_are_lit_by_means_and_shares_of_their_samples(open_: Open, known: Known) -> None:
    seen = open_(known.url)
    vocabulary = seen("v.model.manifest.columns[1].vocabulary")
    assert sorted(vocabulary) == sorted(KINDS)
    for key, wanted in expected(known, vocabulary).items():
        found = values(seen, f"#by={key}")
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12, err_msg=key)
        assert f"by={key}" in seen("v.links.link()")


@pytest.mark.slow
def test_a_menu_offers_them_and_the_legend_the_views_of_a_class(open_: Open, known: Known) -> None:
    seen = open_(known.url)
    menu = seen(
        "[...v.rail.light.querySelectorAll('optgroup')]"
        ".map((one) => [one.label, ...[...one.children].map((option) => option.value)])"
    )
    assert ["Your columns", "column-0", "column-1-0", "column-2", "column-3"] in menu
    assert ["Images", "correct"] in menu
    seen("v.light(2)")
    choice = seen.page.get_by_label("Shown by")
    choice.select_option("Images labelled so")
    seen.wait("jatlasViewer.state.lit.quantity.key === 'label-2'")
    choice.select_option("Evidence")
    seen.wait("jatlasViewer.state.lit.quantity.key === 'class-2'")
    seen("v.links.follow('#by=column-1-0')")
    seen.page.get_by_label("Category").select_option(index=2)
    seen.wait("jatlasViewer.state.lit.quantity.key === 'column-1-2'")


def test_another_atlas_differs_where_samples_are_apart(open_: Open, known: Known) -> None:
    seen = open_(known.url)
    place = np.minimum((known.other * SIZE).astype(int), SIZE - 1)
    wanted = []
    for cell in range(len(known.mark)):
        at = place[known.cells == cell]
        far = np.abs(at[:, None] - at[None]).max(-1) > 1
        wanted.append(far.sum() / (len(at) * (len(at) - 1)) if len(at) > 1 else np.nan)
    np.testing.assert_allclose(values(seen, "#by=differs-1"), wanted, rtol=1e-9, atol=1e-12)
    assert values(seen, "#by=differs-1", map_=1) is not None


FILTERS: dict[str, Any] = {
    "number": {"c0": [0.25, 0.75]},
    "one end": {"c2": [None, 0.5]},
    "all": {"label": "g0", "correct": [0], "c0": [0.2, None], "c1": [0, 2], "c2": [-1, 1]},
}


def passing(known: Known, rules: dict[str, Any], kinds: list[str]) -> np.ndarray:
    """Whether each sample passes."""
    label, prediction = known.label[known.image], known.prediction[known.image]
    both = np.where((label < 0) | (prediction < 0), -1, (label != prediction).astype(int))
    kind = np.array([kinds.index(KINDS[i]) for i in known.kind])[known.image]
    columns = {"c0": known.bright[known.image], "c2": known.score}
    passes = np.ones(len(known.cells), bool)
    for name, rule in rules.items():
        if name == "label":
            passes &= np.isin(label, GROUP if rule == "g0" else rule)
        elif name in ("correct", "c1"):
            passes &= np.isin(both if name == "correct" else kind, rule)
        else:
            low, high = (
                (-np.inf if rule[0] is None else rule[0]),
                (np.inf if rule[1] is None else rule[1]),
            )
            passes &= (columns[name] >= low) & (columns[name] <= high)
    return passes


@pytest.mark.parametrize("rules", FILTERS.values(), ids=FILTERS)
def test_a_filter_lights_cells_by_the_share_that_passes(
    open_: Open, known: Known, rules: dict[str, Any]
) -> None:
    seen = open_(known.url)
    kinds = seen("v.model.manifest.columns[1].vocabulary")
    link = f"#filter={quote(json.dumps(rules))}"
    passes = passing(known, rules, kinds)
    np.testing.assert_allclose(values(seen, link), mean(known, passes.astype(float)), atol=1e-12)
    assert (
        f"{passes.sum():,} of {len(passes):,} samples pass"
        in seen.page.locator(".j-legend").inner_text()
    )
    crossed = seen(
        "Promise.all(v.filters.fields.list.map((field) => v.filters.fields"
        ".crossed(0, field, v.filters.filter).then((counts) => [field.id, Array.from(counts)])))"
        ".then(Object.fromEntries)"
    )
    apart = {
        name: passing(known, {k: x for k, x in rules.items() if k != name}, kinds)
        for name in crossed
    }
    label = known.label[known.image]
    kind = np.array([kinds.index(KINDS[i]) for i in known.kind])[known.image]
    assert (
        crossed["label"] == np.bincount(label[apart["label"] & (label >= 0)], minlength=9).tolist()
    )
    assert crossed["c1"] == np.bincount(kind[apart["c1"]], minlength=3).tolist()
    bright = known.bright[known.image]
    assert sum(crossed["c0"]) == (apart["c0"] & ~np.isnan(bright)).sum()
    low, high = np.nanmin(known.bright), np.nanmax(known.bright)
    bins = np.minimum(np.floor((bright - low) / ((high - low) / 40)), 39)
    assert crossed["c0"] == [int((apart["c0"] & (bins == k)).sum()) for k in range(40)]
    # A link restores it: the same rules, on another page.
    again = seen("v.links.link()")
    values(seen, "#by=count")
    values(seen, again)
    assert seen("v.filters.filter") == rules
    assert "samples pass" in seen.page.locator(".j-legend").inner_text()


@pytest.mark.slow
def test_a_filter_is_a_highlight_of_its_own(open_: Open, known: Known) -> None:
    seen = open_(known.url)
    page = seen.page
    page.locator(".j-filters summary").click()
    low = page.get_by_label("bright, at least")
    seen.wait("jatlasViewer.filters.count.textContent !== ''")
    low.fill("20")
    seen.wait("Boolean(jatlasViewer.state.lit?.quantity.filter)")
    edge = seen("v.filters.filter.c0[0]")
    span = np.nanmax(known.bright) - np.nanmin(known.bright)
    assert edge == pytest.approx(np.nanmin(known.bright) + span / 2, rel=1e-5)
    passed = int((known.bright[known.image] >= edge).sum())
    assert page.locator(".j-filter-count").inner_text() == f"{passed} of 1,200 samples pass"
    box = page.get_by_role("checkbox", name="street, wet")
    box.check()
    seen.wait("'c1' in (jatlasViewer.state.lit.quantity.filter ?? {})")
    seen("v.light(1)")
    assert page.locator(".j-filter-badge").inner_text() == "paused" and box.is_checked()
    page.get_by_role("button", name="Light the map").click()
    seen.wait("Boolean(jatlasViewer.state.lit?.quantity.filter)")
    page.get_by_label("Label is").fill("cat")
    page.get_by_label("Label is").press("Enter")
    seen.wait("jatlasViewer.state.lit.quantity.filter?.label === 'g0'")
    page.locator(".j-legend").get_by_role("button", name="Clear").click()
    assert seen("v.filters.filter") == {} and not box.is_checked() and low.input_value() == "0"


def test_names_of_columns_and_categories_are_text(open_: Open, known: Known) -> None:
    seen = open_(known.url)
    seen.page.locator(".j-filters summary").click()
    values(seen, f"#filter={quote(json.dumps({'c1': [0, 1, 2], 'c2': [0, None]}))}")
    seen.wait("jatlasViewer.filters.count.textContent !== ''")
    for selector in (".j-filters", ".j-legend"):
        place = seen.page.locator(selector)
        assert HOSTILE[0] in place.inner_text()
        assert place.locator("img, script, b, i:not([class])").count() == 0
    assert seen.page.title() != "pwned"


BAD = (
    *("column-9", "column--1", "column-0-0", "column-1-3", "column-1e0", "column-", "label-99"),
    *(
        "label-1-1",
        "prediction-x",
        "grouplabel-7",
        "differs-0",
        "differs-2",
        "correct-1",
        "filter-",
    ),
    *("filter-{}", "filter-[1]", 'filter-{"c0":[1]}', 'filter-{"c0":["a",2]}'),
    *('filter-{"c0":[null,null]}', 'filter-{"c1":[7,-1,0.5]}', 'filter-{"label":"g9"}'),
    *('filter-{"label":99}', 'filter-{"c3":[0,1]}', 'filter-{"__proto__":{"c0":[0,1]}}'),
)


@pytest.mark.slow
def test_bad_keys_are_ignored(open_: Open, known: Known) -> None:
    seen = open_(known.url)
    for key in BAD:
        assert values(seen, f"#by={quote(key)}") is None, key
    assert values(seen, "#filter=%7B") is None
    half = f"#filter={quote(json.dumps({'c0': [0.2, None], 'c1': 'x', 'nothing': 1}))}"
    assert values(seen, half) is not None and seen("v.filters.filter") == {"c0": [0.2, None]}


def test_labels_with_names_of_their_own_are_found(open_: Open, tmp_path: Path) -> None:
    atlas = _changed(
        load(viewer_atlas.make(tmp_path / "made", sizes=(SIZE,), layers=1)),
        rng := np.random.default_rng(1),
    )
    names = ("dog", CLASSES[3])
    index = rng.integers(-1, 2, 600).astype(np.int32)
    labels = Labels(index=index, hierarchy=Hierarchy.flat(names), given=True)
    folder = save(dataclasses.replace(atlas, labels=labels), tmp_path / "own")
    export_folder(folder)
    seen = open_((folder / "index.html").as_uri())
    seen("v.find()")
    seen.page.keyboard.type("dog")
    seen.page.keyboard.press("Enter")
    seen.wait("jatlasViewer.state.lit?.quantity.key === 'label-0'")
    grid, points = atlas.maps[0].grids[0], np.asarray(atlas.maps[0].points)
    image = np.asarray(atlas.maps[0].samples.source)[:, 0]
    cell = np.asarray(cell_index(points, size=SIZE))
    assert atlas.predictions is not None
    known = (index >= 0) & (atlas.predictions >= 0)
    equal = {  # "dog" is no class, so no prediction is "dog"
        "label-0": among(index[image], 0),
        "correct": np.where(known & (index == 1), atlas.predictions == 3, np.nan)[image],
    }
    for key, of in equal.items():
        wanted = [
            np.nanmean(each) if (~np.isnan(each := of[cell == at])).any() else np.nan
            for at in np.asarray(grid.cells)
        ]
        np.testing.assert_allclose(values(seen, f"#by={key}"), wanted, atol=1e-12)
    choices = seen.page.get_by_role("group", name="Label", exact=True).get_by_role("checkbox")
    seen.page.locator(".j-filters summary").click()
    assert choices.count() == 2


@pytest.mark.slow
def test_axe_finds_no_violation_in_a_filter(open_: Open, known: Known) -> None:
    axe = pytest.importorskip("test_viewer_access")
    seen = open_(known.url, size=(1400, 900))
    for key in ("column-1-0", 'filter-{"label":"g0","c0":[0.2,null],"c1":[0]}'):
        values(seen, f"#by={quote(key)}")
        seen("v.filters.element.open = true")
        seen.wait("jatlasViewer.filters.count.textContent !== ''")
        seen.page.wait_for_timeout(150)
        assert axe.violations(seen) == []
