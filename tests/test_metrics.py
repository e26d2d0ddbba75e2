"""Metrics of an atlas against plain counting."""

import numpy as np
import pytest
from helpers import CLASSES, tiny_network, tiny_params

from jatlas.explain import agreement, predictions, purity, recognized


def test_purity_counts_the_samples_of_the_labelled_cells() -> None:
    cell = np.array([3, 3, 3, 5, 5, 5, 5, 9])
    truth = np.array([1, 1, 0, 2, 2, 0, 1, 4])
    found = purity(cell, truth, {3: 1, 5: 0})
    assert found.majority == 0.5
    assert found.samples == pytest.approx((2 + 1) / 7)
    # Cell 3 with either label: (2 + 1) / 2; cell 5: (1 + 1) / 2.
    assert found.chance == pytest.approx((1.5 + 1) / 7)
    assert purity(cell, truth, {3: 7}).samples == 0
    assert purity(cell, truth, {9: 4}) == (1, 1, 1)


def test_purity_needs_samples() -> None:
    with pytest.raises(ValueError, match=r"these have none: \[4\]"):
        purity(np.array([1]), np.array([0]), {1: 0, 4: 0})
    with pytest.raises(ValueError, match="cell, truth: expected one each"):
        purity(np.array([1, 2]), np.array([0]), {1: 0})


def test_agreement_equals_a_loop() -> None:
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(20), 3)
    truth = image % 4
    points = (truth[:, None] + 0.3 * rng.standard_normal((60, 2))).astype(np.float32)
    vectors = rng.standard_normal((60, 7)).astype(np.float32)
    found = agreement(points, vectors, truth, image, neighbors=5)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for share, distance in (
        (found.points, ((points[:, None] - points) ** 2).sum(-1)),
        (found.vectors, 1 - unit @ unit.T),
    ):
        right = counted = 0
        for i in range(60):
            order = [j for j in np.argsort(distance[i], kind="stable") if j != i][:5]
            for j in order:
                if image[j] != image[i]:
                    counted += 1
                    right += truth[j] == truth[i]
        assert share == pytest.approx(right / counted)
    pairs = [(i, j) for i in range(60) for j in range(60) if image[i] != image[j]]
    assert found.chance == pytest.approx(np.mean([truth[i] == truth[j] for i, j in pairs]))
    assert found.points > 0.6 > found.vectors


def test_icons_are_recognized_by_the_most_probable_classes() -> None:
    network, params = tiny_network(), tiny_params()
    icons = np.random.default_rng(0).random((6, 16, 16, 3)).astype(np.float32)
    logits = np.asarray(network.run(params, icons))
    best = logits.argmax(1)
    np.testing.assert_array_equal(
        predictions(network, params, icons, top=CLASSES), np.argsort(-logits, axis=1)
    )
    assert recognized(network, params, icons, best).all()
    assert not recognized(network, params, icons, (best + 1) % CLASSES).any()
    assert recognized(network, params, icons, (best + 1) % CLASSES, top=CLASSES).all()
    bytes_ = np.round(icons * 255).astype(np.uint8)
    assert recognized(network, params, bytes_, best).mean() > 0.6
    with pytest.raises(ValueError, match="icons, labels: expected one label each, got 6 and 5"):
        recognized(network, params, icons, best[1:])
    with pytest.raises(ValueError, match="icons, labels: expected one label each, got 0 and 0"):
        recognized(network, params, icons[:0], best[:0])
    with pytest.raises(ValueError, match="icons: expected at least one"):
        predictions(network, params, icons[:0])
