"""Candidates for patches in a comparison: a planted one, and a plain loop."""

from typing import Any

import numpy as np
import pytest

from jatlas.explain import patch_candidates, shows_none_of

CLASSES, SIZE, SAMPLES = 6, 3, 120


def draw(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points, evidence, image of each sample, and probabilities of 40 images."""
    rng = np.random.default_rng(seed)
    return (
        rng.random((SAMPLES, 2)).astype(np.float32),
        rng.standard_normal((SAMPLES, CLASSES)).astype(np.float16),
        rng.integers(0, 40, SAMPLES),
        rng.random((40, CLASSES)),
    )


def loop(points: Any, evidence: Any, image: Any, probabilities: Any) -> list[int]:
    """The rules one by one: classes 0 and 1, rank 1, share 0.5, at least 3 samples in a cell."""
    first = [set(np.argsort(-p)[:1].tolist()) for p in probabilities]
    cells: dict[int, list[int]] = {}
    for row, (x, y) in enumerate(points):
        cells.setdefault(int(y * SIZE) * SIZE + int(x * SIZE), []).append(row)
    ranked = []
    for cell, rows in cells.items():
        left, right = (np.mean([float(evidence[r, c]) for r in rows]) for c in (0, 1))
        strangers = [r for r in rows if not first[image[r]] & {0, 1}]
        if len(rows) >= 3 and right > max(left, 0) and len(strangers) >= 0.5 * len(rows):
            ranked.append((left - right, cell, strangers))
    found: list[int] = []
    for _, _, strangers in sorted(ranked):
        used = {image[r] for r in found}
        good = [
            r
            for r in strangers
            if image[r] not in used and evidence[r, 1] > max(float(evidence[r, 0]), 0)
        ]
        if good:
            gain = [float(evidence[r, 1]) - float(evidence[r, 0]) for r in good]
            found.append(good[int(np.argmax(gain))])
    return found


@pytest.mark.parametrize("seed", range(5))
def test_candidates_equal_a_loop(seed: int) -> None:
    points, evidence, image, probabilities = draw(seed)
    found = patch_candidates(
        points,
        evidence,
        image,
        probabilities,
        left=0,
        right=1,
        size=SIZE,
        count=20,
        rank=1,
        min_count=3,
    )
    rows = loop(points, evidence, image, probabilities)
    assert found.rows.tolist() == rows
    assert len(rows)
    assert len(set(image[found.rows])) == len(set(found.cells)) == len(rows)
    expected = evidence[rows, 1].astype(np.float32) - evidence[rows, 0].astype(np.float32)
    np.testing.assert_array_equal(found.margins, expected)
    assert found.shows.tolist() == [int(np.argmax(probabilities[image[r]])) for r in rows]
    few = patch_candidates(
        points, evidence, image, probabilities, left=0, right=1, size=SIZE, count=1, rank=1,
        min_count=3,
    )  # fmt: skip
    assert few.rows.tolist() == rows[:1]


def test_a_planted_patch_is_found_and_images_of_the_target_are_not() -> None:
    points = np.repeat(np.array([[0.1, 0.5], [0.9, 0.2], [0.9, 0.9]], np.float32), 5, axis=0)
    image = np.arange(15)
    evidence = np.zeros((15, CLASSES), np.float16)
    evidence[:5, 0], evidence[5:10, 1], evidence[10:, 1] = 3, 9, 2
    evidence[12, 1] = 2.5
    probabilities = np.zeros((15, CLASSES))
    probabilities[:5, 0] = probabilities[5:10, 1] = probabilities[10:, 4] = 1
    found = patch_candidates(
        points, evidence, image, probabilities, left=0, right=1, size=3, rank=1
    )
    assert (found.rows.tolist(), found.cells.tolist(), found.shows.tolist()) == ([12], [8], [4])
    nothing = patch_candidates(
        points, evidence, image, probabilities, left=1, right=2, size=3, rank=1
    )
    assert [len(part) for part in nothing] == [0, 0, 0, 0]


def test_images_show_their_top_classes() -> None:
    table = np.array([[5, 4, 3, 2], [2, 5, 4, 3], [1, 2, 3, 4]])
    assert shows_none_of(table, classes=(0,), rank=1).tolist() == [False, True, True]
    assert shows_none_of(table, classes=(0, 3), rank=1).tolist() == [False, True, False]
    assert shows_none_of(table, classes=(0,), rank=4).tolist() == [False, False, False]


def test_values_out_of_range_are_refused() -> None:
    for name in ("size", "count", "rank", "min_count"):
        with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
            patch_candidates(*draw(0), left=0, right=1, **{name: 0})
    with pytest.raises(ValueError, match="share: expected 0 to 1, got 2"):
        patch_candidates(*draw(0), left=0, right=1, share=2)
