"""`check` and `jatlas check`: measured, kept, reported; on atlases of the tiny network."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from atlases import CONFIG, RUN, build, differences, make_images
from helpers import tiny_network, tiny_params

import jatlas
from jatlas.build import TrustConfig, _icon_trust, check
from jatlas.build._stored_config import stored_cells, stored_layout
from jatlas.cli import _main as cli
from jatlas.cli._trust_page import page
from jatlas.cli._trust_report import report_of, text
from jatlas.records import MEASURES, OF_ICONS, Atlas, Grid, Info, Map, Trust
from jatlas.show import export, pack
from jatlas.storage import load, save

KEY = jax.random.key(5)
CHEAP = TrustConfig(skip=("stable", "placed"), neighbors=5)


def measured(atlas: Atlas, **changes: Any) -> Atlas:
    arguments: dict[str, Any] = {"key": KEY, "path": "conv2", "size": 2, "run": RUN}
    network = changes.pop("network", tiny_network())
    return check(network, tiny_params(), atlas, **(arguments | {"config": CHEAP} | changes))


def trust_of(atlas: Atlas, size: int = 2) -> Trust:
    found = atlas.find("conv2").grid(size).trust
    assert found is not None
    return found


def assert_equal(one: Any, other: Any) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.fixture(scope="module")
def checked(whole: Path) -> Atlas:
    return measured(load(whole), config=TrustConfig(neighbors=5))


@pytest.mark.slow
def test_every_measure_is_made_of_every_cell(checked: Atlas) -> None:
    trust = trust_of(checked)
    assert tuple(trust.measures) == MEASURES
    grid = checked.find("conv2").grid(2)
    for name, values in trust.measures.items():
        assert values.shape == grid.cells.shape and values.dtype == np.float32, name
        assert np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all(), name
    np.testing.assert_array_equal(trust.on_target, np.clip(grid.icons.cosines, 0, 1))
    assert trust.settings is not None and trust.settings["pictures"] == "images"
    others = [(each.path, grid.size) for each in checked.maps for grid in each.grids if grid.trust]
    assert others == [("conv2", 2)]


@pytest.mark.slow
def test_what_is_there_is_not_measured_again(
    checked: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = measured(checked, config=TrustConfig(neighbors=5))
    assert all(a is b for a, b in zip(again.maps, checked.maps, strict=True))
    without = dataclasses.replace(trust_of(checked), pure=None)
    before = _with(checked, "conv2", 2, trust=without)
    monkeypatch.setattr(_icon_trust, "draw_icons", None)  # would be an error
    assert_equal(trust_of(measured(before, config=TrustConfig(neighbors=5))), trust_of(checked))
    other = trust_of(measured(checked, config=TrustConfig(neighbors=4, skip=("stable",))))
    assert other.stable is None and not np.array_equal(other.kept, trust_of(checked).kept)


def _with(atlas: Atlas, path: str, size: int, **changes: Any) -> Atlas:
    """Return an atlas with changes to a grid."""

    def changed(owner: Map) -> Map:
        grids = [dataclasses.replace(x, **changes) if x.size == size else x for x in owner.grids]
        return dataclasses.replace(owner, grids=tuple(grids))

    maps = tuple(changed(each) if each.path == path else each for each in atlas.maps)
    return dataclasses.replace(atlas, maps=maps)


@pytest.mark.slow
def test_the_batch_size_does_not_matter(whole: Path) -> None:
    atlas = load(whole)
    one, other = (
        measured(atlas, run=jatlas.Run(batch_size=size, progress=False)) for size in (1, 32)
    )
    for name, values in trust_of(one).measures.items():
        np.testing.assert_allclose(values, getattr(trust_of(other), name), atol=2e-5, err_msg=name)


@pytest.mark.slow
def test_without_the_images_the_crops_stand_for_them(whole: Path) -> None:
    atlas = load(whole)
    gone = dataclasses.replace(
        atlas, info=Info(atlas.info | {"source": {**atlas.info["source"], "root": "/gone"}})
    )
    found = trust_of(measured(gone))
    assert found.settings is not None and found.settings["pictures"] == "crops"
    assert found.faithful is not None and np.isfinite(found.faithful).all()
    bare = _with(gone, "conv2", 2, crops=None)
    assert trust_of(measured(bare)).faithful is None


@pytest.mark.slow
def test_without_a_network_only_samples_are_measured(whole: Path) -> None:
    vectors = load(whole).find("conv2").samples
    atlas = jatlas.build_from(vectors, grids=(2,), key=KEY, config=CONFIG, run=RUN)
    found = check(None, None, atlas, key=KEY, config=TrustConfig(neighbors=5), run=RUN)
    trust = found.layer().grid(2).trust
    assert trust is not None and set(trust.measures) == set(MEASURES) - set(OF_ICONS)
    given = jatlas.build_from(
        vectors,
        points=np.asarray(atlas.layer().points),
        grids=(2,),
        key=KEY,
        config=CONFIG,
        run=RUN,
    )
    found = check(None, None, given, key=KEY, config=TrustConfig(neighbors=5), run=RUN)
    trust = found.layer().grid(2).trust
    assert trust is not None and set(trust.measures) == {"pure", "distinct", "kept"}


@pytest.mark.slow
def test_maps_of_classes_are_checked_too(whole: Path) -> None:
    network, params, atlas = tiny_network(), tiny_params(), load(whole)
    chosen: dict[str, Any] = {"size": 2, "rule": "magnitude", "max_samples": 40, "min_count": 1}
    cells = jatlas.CellConfig(icons=CONFIG.icons)
    shared: dict[str, Any] = {"key": KEY, "layer": "conv2", "cells": cells, "run": RUN}
    atlas = jatlas.class_map(
        network, params, atlas, 1,
        selection=jatlas.ClassSelection(layout=CONFIG.layout, **chosen), **shared,
    )  # fmt: skip
    atlas = jatlas.comparison_map(
        network, params, atlas, 1, 2,
        selection=jatlas.ComparisonSelection(layout=CONFIG.layout, **chosen), **shared,
    )  # fmt: skip
    config = TrustConfig(neighbors=5)
    found = measured(atlas, path="conv2-class-1", size=None, config=config)
    trust = found.find("conv2-class-1").grids[0].trust
    assert trust is not None and set(trust.measures) == set(MEASURES)
    found = measured(atlas, path="conv2-compare-1-2", size=None, config=config)
    trust = found.find("conv2-compare-1-2").grids[0].trust
    assert trust is not None and set(trust.measures) == set(MEASURES) - {"placed"}


def test_wrong_arguments_are_refused(whole: Path) -> None:
    atlas = load(whole)
    for changes, message in (
        ({"path": "conv3"}, "map: expected one of conv1, conv2"),
        ({"size": 7}, "grid: expected one of 2, 3"),
        ({"config": CONFIG}, "config: expected"),
        ({"network": dataclasses.replace(tiny_network(), name="other")}, "network: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            measured(atlas, **changes)
    with pytest.raises(ValueError, match="skip: expected some of on_target"):
        TrustConfig(skip=("beauty",))


def test_the_settings_of_an_atlas_are_read_back(whole: Path) -> None:
    atlas = load(whole)
    owner = atlas.find("conv1")
    cells = stored_cells(atlas, owner, owner.grid(2))
    assert cells.icons == CONFIG.icons and cells.ridge == CONFIG.ridge
    assert stored_layout(atlas, owner) == CONFIG.layout
    settings = dict(atlas.info["settings"]) | {"icons": {"kind": "Mine", "code_sha256": "ab"}}
    foreign = dataclasses.replace(atlas, info=Info(atlas.info | {"settings": settings}))
    with pytest.raises(ValueError, match="icons: expected settings that jatlas has itself"):
        stored_cells(foreign, owner, owner.grid(2))
    with pytest.raises(ValueError, match="icons: expected the atlas to say"):
        stored_cells(dataclasses.replace(atlas, info=Info()), owner, owner.grid(2))


# On the disk.


def made_up(atlas: Atlas) -> Atlas:
    """Return an atlas with measures that were not made."""
    rng = np.random.default_rng(0)
    cells = len(atlas.find("conv2").grid(2).cells)
    values = {name: rng.random(cells).astype(np.float32) for name in ("on_target", "pure", "kept")}
    values["pure"][0] = np.nan
    return _with(atlas, "conv2", 2, trust=Trust(**values, settings=Info(seed=[0, 1])))


def test_an_atlas_with_trust_is_read_as_it_was_written(whole: Path, tmp_path: Path) -> None:
    atlas = made_up(load(whole))
    save(atlas, tmp_path / "one")
    again = load(tmp_path / "one")
    assert_equal(again, atlas)
    save(again, tmp_path / "two")
    assert not differences(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "one/conv2/trust-2.npz").exists()
    assert not (tmp_path / "one/conv2/trust-3.npz").exists()


@pytest.mark.parametrize("damage", ["missing", "cut", "garbage"])
def test_a_damaged_file_is_named(whole: Path, tmp_path: Path, damage: str) -> None:
    save(made_up(load(whole)), tmp_path / "atlas")
    file = tmp_path / "atlas/conv2/trust-2.npz"
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[:50] if damage == "cut" else bytes(reversed(content)))
    for read in (load, lambda folder: list(pack(folder))):
        with pytest.raises(ValueError, match=re.escape("trust-2.npz")):
            read(tmp_path / "atlas")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(9, np.float32), r"trust-2.npz: pure: expected floats of shape \(4,\)"),
        (np.zeros(4, np.int32), "trust-2.npz: pure: expected floats"),
        (
            np.array([0, 1, 1.5, 0], np.float32),
            "pure: expected numbers from 0 to 1, got 0.0 to 1.5",
        ),
    ],
)
def test_measures_that_do_not_fit_are_not_written(
    whole: Path, tmp_path: Path, values: np.ndarray, message: str
) -> None:
    atlas = load(whole)
    assert len(atlas.find("conv2").grid(2).cells) == 4
    with pytest.raises(ValueError, match=message):
        save(_with(atlas, "conv2", 2, trust=Trust(pure=values)), tmp_path / "atlas")
    assert not (tmp_path / "atlas").exists()


@pytest.mark.slow
def test_new_icons_drop_what_was_measured_of_the_old(whole: Path) -> None:
    atlas = made_up(load(whole))
    again = jatlas.rerender(
        tiny_network(), tiny_params(), atlas, "conv2", size=2, key=KEY, run=RUN,
        cells=jatlas.CellConfig(icons=CONFIG.icons),
    )  # fmt: skip
    assert set(trust_of(again).measures) == {"pure", "kept"}
    only = _with(atlas, "conv2", 2, trust=Trust(natural=trust_of(atlas).kept))
    again = jatlas.rerender(
        tiny_network(), tiny_params(), only, "conv2", size=2, key=KEY, run=RUN,
        cells=jatlas.CellConfig(icons=CONFIG.icons),
    )  # fmt: skip
    assert again.find("conv2").grid(2).trust is None


@pytest.mark.slow
def test_an_atlas_that_is_extended_keeps_its_measures(tmp_path: Path) -> None:
    images = make_images(tmp_path / "images")
    build(images, tmp_path / "atlas", layers=("conv2",), grids=(2,))
    atlas = made_up(load(tmp_path / "atlas"))
    save(atlas, tmp_path / "atlas", overwrite=True)
    longer = build(images, tmp_path / "atlas", layers=("conv2",), grids=(2, 3))
    assert_equal(trust_of(longer), trust_of(atlas))
    assert longer.find("conv2").grid(3).trust is None


def test_the_page_gets_a_column_for_each_measure(whole: Path, tmp_path: Path) -> None:
    atlas = made_up(load(whole))
    save(atlas, tmp_path / "atlas")
    parts = {part.name: part.data for part in pack(tmp_path / "atlas") if part.kind == "json"}
    number = [each.path for each in atlas.maps].index("conv2")
    columns = json.loads(parts[f"m{number}-g2"])["trust"]
    assert list(columns) == ["on target", "pure", "kept"]
    assert {each["type"] for each in columns.values()} == {"f4"}
    assert "trust" not in json.loads(parts[f"m{number}-g3"])


@pytest.mark.slow
def test_the_command_on_an_atlas_without_a_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = np.random.default_rng(0).random((80, 6)).astype(np.float32)
    jatlas.build_from(vectors, grids=(3,), key=KEY, config=CONFIG, run=RUN, out=tmp_path / "atlas")
    out = str(tmp_path / "a.html")
    assert cli.main(["check", str(tmp_path / "atlas"), "--neighbors", "5", "--html", out]) == 0
    assert "placed" in capsys.readouterr().out
    trust = load(tmp_path / "atlas").layer().grid(3).trust
    assert trust is not None and set(trust.measures) == set(MEASURES) - set(OF_ICONS)


# Reports.


def grid_with(trust: Trust | None, whole: Path) -> Grid:
    return dataclasses.replace(load(whole).find("conv2").grid(2), trust=trust)


def test_a_report_counts_and_names_the_worst_first(whole: Path) -> None:
    stable = np.array([0.1, 0.9, 0.5, np.nan], np.float32)
    pure = np.array([0.2, 0.8, 0.7, 0.9], np.float32)
    grid = grid_with(Trust(stable=stable, pure=pure), whole)
    found = report_of("conv2", grid, threshold=0.3)
    (first, second), worst = found.summaries, found.worst
    assert (first.name, first.below, first.unknown) == ("stable", 1, 1)
    assert (second.name, second.below, second.unknown) == ("pure", 1, 0)
    assert first.median == pytest.approx(0.5)
    assert [x.number for x in worst] == [0, 2, 1, 3]
    assert [x.name for x in worst[0].reasons] == ["pure", "stable"] and not worst[3].reasons
    assert found.correlations[0, 1] == pytest.approx(1)
    assert "stable 0.10 (lowest 17 %)" in text(found)
    assert text(report_of("x", grid_with(None, whole), threshold=0.3)).endswith("nothing measured")


def test_the_page_of_a_report_is_whole_and_its_text_is_escaped(whole: Path) -> None:
    grid = grid_with(Trust(stable=np.array([0.1, 0.9, 0.5, np.nan], np.float32)), whole)
    report = report_of("<script>alert(1)</script>", grid, threshold=0.2)
    document = page("a & b", [(report, grid)])
    assert "<script" not in document and "a &amp; b" in document
    assert "&lt;script&gt;alert(1)" in document
    assert not re.findall(r"(?:https?:)?//(?!www\.w3)", re.sub(r'base64,[^"]*"', "", document))
    assert len(re.findall("<rect ", document)) == 20 and document.count("<img ") >= 4


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_by_name")
def test_the_command_end_to_end(
    tmp_path: Path, images: Path, shared: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "atlas"
    build(images, folder)
    export(folder)
    words = ["check", str(folder), "--map", "conv2", "--size", "2", "--neighbors", "5"]
    outputs = ["--json", str(tmp_path / "a.json"), "--html", str(tmp_path / "a.html")]
    assert cli.main([*words, "--skip", "stable, on target", *outputs]) == 0
    said = capsys.readouterr().out
    assert "conv2, 2 x 2: 4 cells" in said and "least trustworthy" in said
    (report,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert set(report["measures"]) == {"faithful", "natural", "pure", "distinct", "placed", "kept"}
    assert len(report["cells"]) == 4 and len(report["worst"]) == 4
    assert "<svg" in (tmp_path / "a.html").read_text(encoding="utf-8")
    first = load(folder)
    assert first.find("conv2").grid(3).trust is None
    assert '"trust":{' in (folder / "viewer/data/m1-g2.js").read_text(encoding="utf-8")
    assert cli.main(words) == 0
    both = trust_of(first), trust_of(load(folder))
    assert set(both[1].measures) == set(MEASURES)
    np.testing.assert_array_equal(both[0].faithful, both[1].faithful)
    assert cli.main(["check", str(folder), "--skip", "beauty"]) == 2
    assert cli.main(["check", str(folder), "--map", "conv9"]) == 2
