"""Names of cells against a plain sort."""

import numpy as np
import pytest

from jatlas.explain import name_cells

NAMES = ("cat", "dog", "cow")


@pytest.mark.parametrize("count", [1, 2, 9])
def test_cells_are_named_by_the_classes_with_the_most_evidence(count: int) -> None:
    # Halves, so that there are ties; one class more than there are names.
    rng = np.random.default_rng(0)
    evidence = (np.round(2 * rng.standard_normal((20, 4))) / 2).astype(np.float16)
    names = (*NAMES, "class 3")
    expected = [
        tuple(names[c] for c in sorted(range(4), key=lambda c: (-row[c], c))[:count])
        for row in evidence.tolist()
    ]
    assert name_cells(evidence, NAMES, count=count) == expected


def test_no_cells_have_no_names() -> None:
    assert name_cells(np.zeros((0, 3)), NAMES) == []


def test_a_cell_without_evidence_has_no_name() -> None:
    assert name_cells(np.array([[0.0, 0, 0], [0, -1, 0]]), NAMES) == [(), ("cat",)]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"evidence: expected \(m, classes\), got shape \(3,\)"):
        name_cells(np.zeros(3), NAMES)
    with pytest.raises(ValueError, match="count: expected at least 1, got 0"):
        name_cells(np.zeros((1, 3)), NAMES, count=0)
