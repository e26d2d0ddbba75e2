"""Modules of the viewer that need no page, run by node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jatlas

NODE = shutil.which("node")
SOURCE = Path(jatlas.__file__).parent / "show" / "viewer" / "src"
NAMES = (
    "tabby cat", "tiger cat", "seashore, coast", "wok", "Crème brûlée", "black swan", "swallow",
    "great white shark", "white shark ray",
)  # fmt: skip
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def run(module: str, names: str, body: str, data: Any = None) -> Any:
    """Run the body of a function of `data` with names of a module imported."""
    url = (SOURCE / module).as_uri()
    script = f"""
        globalThis.matchMedia = () => ({{matches: true}});
        const {{{names}}} = await import({json.dumps(url)});
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
        hits = run("search.js", "search", body, {"queries": queries, "names": names})
        assert [found[0] if found else None for found in hits] == targets


def test_search_returns_at_most_eight_and_nothing_for_nothing() -> None:
    names = [f"terrier {i}" for i in range(40)]
    body = "return ['terrier', '', '  ', 'zebra'].map((query) => search(query, data).length);"
    assert run("search.js", "search", body, names) == [8, 0, 0, 0]


def test_a_link_reads_back_whatever_the_map_is_called() -> None:
    view = {"x": 0.25, "y": 0.75, "zoom": 3.5, "cls": 7, "against": True, "grid": 20}
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


def test_overlaps_of_boxes_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(3)
    corners, sides = rng.uniform(-500, 500, (200, 2)), rng.uniform(1, 300, (200, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1)
    body = """
        const taken = new Boxes(140);
        return data.map((box) => {
          const hit = taken.hits(box);
          if (!hit) taken.add(box);
          return hit;
        });
    """
    hits = run("labels.js", "Boxes", body, boxes.tolist())
    taken: list[np.ndarray] = []
    for box, hit in zip(boxes, hits, strict=True):
        overlaps = any(
            (box[:2] < other[2:]).all() and (other[:2] < box[2:]).all() for other in taken
        )
        assert hit == overlaps
        if not overlaps:
            taken.append(box)
    assert 5 < len(taken) < 150


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
