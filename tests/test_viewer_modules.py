"""Modules of the viewer that need no page, run by node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jatlas
from jatlas.show._encode import packed

NODE = shutil.which("node")
SOURCE = Path(jatlas.__file__).parent / "show" / "viewer" / "src"
NAMES = (
    "tabby cat", "tiger cat", "seashore, coast", "wok", "Crème brûlée", "black swan", "swallow",
    "great white shark", "white shark ray",
)  # fmt: skip
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def run(modules: str | tuple[str, ...], names: str, body: str, data: Any = None) -> Any:
    """Run the body of a function of `data` with names of one or more modules imported."""
    modules = (modules,) if isinstance(modules, str) else modules
    urls = json.dumps([(SOURCE / module).as_uri() for module in modules])
    script = f"""
        globalThis.matchMedia = () => ({{matches: true}});
        const modules = await Promise.all({urls}.map((url) => import(url)));
        const {{{names}}} = Object.assign({{}}, ...modules);
        const data = {json.dumps(data)};
        console.log(JSON.stringify((() => {{ {body} }})()));
    """
    call = [str(NODE), "--input-type=module", "-e", script]
    return json.loads(subprocess.run(call, capture_output=True, check=True, timeout=60).stdout)


def test_every_name_is_found_and_with_a_typo_too() -> None:
    names = list(NAMES)
    swapped = [f"{name[1]}{name[0]}{name[2:]}" for name in names if len(name) > 3]
    missing = [name[:2] + name[3:] for name in names if len(name) > 4]
    body = "return data.queries.map((query) => search(query, data.names).map((hit) => hit.name));"
    for queries, targets in (
        (names, names),
        (swapped, [name for name in names if len(name) > 3]),
        (missing, [name for name in names if len(name) > 4]),
    ):
        hits = run("match.js", "search", body, {"queries": queries, "names": names})
        assert [found[0] if found else None for found in hits] == targets


def test_search_returns_at_most_eight_and_nothing_for_nothing() -> None:
    names = [f"terrier {i}" for i in range(40)]
    body = "return ['terrier', '', '  ', 'zebra'].map((query) => search(query, data).length);"
    assert run("match.js", "search", body, names) == [8, 0, 0, 0]


def test_a_link_reads_back_whatever_the_map_is_called() -> None:
    view = {"x": 0.25, "y": 0.75, "zoom": 3.5, "by": "class-7", "against": True, "grid": 20}
    pinned = {"size": 20, "row": 3, "column": 19}
    for name in ("mixed4c", "features/conv1", "a&b=c#d%e", "räksmörgås ?"):
        data = view | {"map": name, "pinned": pinned | {"map": f"{name}-2"}}
        link, parsed = run(
            "permalink.js",
            "read, write",
            "const link = write(data); return [link, read(link)];",
            data,
        )
        assert parsed == view | {"map": name, "from": f"{name}-2", "cell": pinned}
        assert link.isascii() and " " not in link and link.count("#") == 1


@pytest.mark.parametrize(("extra", "kept"), [(0, True), (1500, False)])
def test_a_filter_is_in_the_link_unless_it_is_long(extra: int, kept: bool) -> None:
    rules = json.dumps({"c0": [0.25, None], "label": "g3", "c1": [1] * extra})
    view = {"map": "mixed4c", "x": 0.5, "y": 0.5, "zoom": 1, "by": f"filter-{rules}"}
    body = "const link = write(data); return [link, read(link).by ?? null];"
    link, by = run("permalink.js", "read, write", body, view | {"grid": "auto"})
    assert by == (view["by"] if kept else None)
    assert ("&filter=" in link) is kept and "by=" not in link and len(link) < 1600


def test_names_are_placed_block_by_block_in_any_order() -> None:
    rng = np.random.default_rng(3)
    size, classes, px = 60, 30, 40.0
    cells = np.flatnonzero(rng.random(size * size) < 0.9)
    ids, values = rng.integers(-1, classes, len(cells)), rng.random(len(cells))
    columns = {
        "cell": packed(cells),
        "count": packed(rng.integers(1, 500, len(cells))),
        "per": 1,
        "labels": packed(ids),
        "values": packed(values),
    }
    body = """
        const shape = {size: data.size, px: [8], tile: 8};
        const grid = new Grid(0, "m0-g60", shape, data.columns);
        const make = () => new Names("", grid, data.px, (i) => grid.first(i), (id) => 60 + 4 * id);
        const list = (names, cells) => cells.filter((i) => names.has(i));
        const cells = [...grid.cell.keys()];
        const orders = [cells, [...cells].reverse(), [...cells].sort((a, b) => a % 97 - b % 97)];
        const found = orders.map((order) => list(make(), order).sort((a, b) => a - b));
        const names = make();
        const view = {left: 20, top: 20, right: 25, bottom: 25};
        names.place(view, Infinity);
        return [found, [...names.within(view)], names.blocks.size, names.across ** 2];
    """
    modules = ("grid.js", "labels.js")
    data = {"size": size, "px": px, "columns": columns}
    found, seen, placed, all_blocks = run(modules, "Grid, Names", body, data)
    assert found[0] == found[1] == found[2]
    # Work grows with the view: its 4 blocks, and neighbours that have an earlier turn.
    assert set(seen) <= set(found[0]) and placed <= 20 and all_blocks == 64
    named = np.array(found[0])
    x, y = (cells % size + 0.5) * px, (cells // size + 1) * px
    half = (60 + 4 * ids) / 2 + 14
    dx, dy = np.abs(x[:, None] - x[named]), np.abs(y[:, None] - y[named])
    collide = (dx < half[:, None] + half[named]) & (dy < 45)
    collide |= (ids[:, None] == ids[named]) & (np.hypot(dx, dy) < 250)
    collide[named, np.arange(len(named))] = False
    assert not collide[named].any()
    free = ~collide.any(1) & (ids >= 0)
    assert set(np.flatnonzero(free)) == set(named)  # no other cell has room for its name


def test_the_camera_maps_back_and_forth_and_zooms_around_a_point() -> None:
    body = """
        const camera = new Camera(() => {});
        Object.assign(camera, {width: 900, height: 600});
        camera.set(.4, .6, 3);
        const at = camera.toMap(123, 456);
        const back = camera.toScreen(...at);
        camera.zoomAt(123, 456, 1.7);
        const zoomed = camera.toMap(123, 456);
        camera.fit([.2, .3, .4, .9], 0, {right: 300, bottom: 0});
        return [at, back, zoomed, camera.toScreen(.2, .3), camera.toScreen(.4, .9)];
    """
    at, back, zoomed, first, last = run("camera.js", "Camera", body)
    assert back == pytest.approx([123, 456])
    assert zoomed == pytest.approx(at)
    assert 0 <= first[0] < last[0] <= 600 and 0 <= first[1] < last[1] <= 600
    assert (first[0] + last[0]) / 2 == pytest.approx(300)  # centred in the part not covered


def test_the_readme_names_every_module() -> None:
    text = (SOURCE.parent / "README.md").read_text(encoding="utf-8")
    modules = {path.name for path in SOURCE.glob("*.js")}
    assert {name for name in modules if f"`{name}`" not in text} == set()
