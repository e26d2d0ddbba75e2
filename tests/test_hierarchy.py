"""What classes are kinds of."""

import csv
import itertools
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from jatlas.model import class_hierarchy, known_classes, read_parents, wnids, wordnet_hierarchy
from jatlas.records import Hierarchy


def above(hierarchy: Hierarchy, name: str) -> set[str]:
    column = hierarchy.members()[hierarchy.names.index(name)]
    return {hierarchy.names[i] for i in np.flatnonzero(column)} - {name}


def test_members_are_the_transitive_closure() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{i}" for i in range(12)]
    parents = {
        f"g{i}": [f"g{j}" for j in range(i + 1, 12) if rng.random() < 0.2] for i in range(12)
    }
    parents |= {f"c{i}": rng.choice(groups, 2, replace=False).tolist() for i in range(20)}
    hierarchy = Hierarchy.of([f"c{i}" for i in range(20)], parents)
    table = hierarchy.members()
    for node, name in itertools.product(range(20), hierarchy.names):
        seen, waiting = set(), [hierarchy.names[node]]
        while waiting:
            each = waiting.pop()
            seen.add(each)
            waiting += parents.get(each, [])
        assert table[node, hierarchy.names.index(name)] == (name in seen)


@pytest.mark.parametrize("network", ["googlenet_bvlc", "inception5h"])
def test_imagenets_classes_are_kinds_of_what_wordnet_says(network: str) -> None:
    hierarchy = class_hierarchy(known_classes(network), count=len(known_classes(network)))
    assert {"fox", "canine", "carnivore", "mammal", "animal"} < above(hierarchy, "red fox")
    assert {"container", "entity"} & set(hierarchy.names) == set()  # says little
    assert {"vehicle", "man-made object"} < above(hierarchy, "steam locomotive")
    sizes = hierarchy.members()[:, hierarchy.classes :].sum(0)
    assert sizes.min() >= 2 and len(hierarchy.names) > 1250
    dogs = hierarchy.members()[:, hierarchy.names.index("dog")].sum()
    assert dogs == 118


def test_ids_of_wordnet_are_classes_in_any_order() -> None:
    ids = list(wnids("googlenet_bvlc"))[::-1]
    hierarchy = wordnet_hierarchy(ids)
    assert hierarchy is not None and hierarchy.names[:1000] == known_classes("googlenet_bvlc")[::-1]
    some = wordnet_hierarchy(["n02119022", "n02084071", "n02110185"])  # a fox, the dogs, a husky
    assert some is not None and some.names[:3] == ("red fox", "dog", "Siberian husky")
    assert wordnet_hierarchy(["n02119022", "cat"]) is None


def test_the_table_names_what_it_lists() -> None:
    text = resources.files("jatlas.model").joinpath("wordnet.tsv").read_text(encoding="utf-8")
    rows = {row["wnid"]: row for row in csv.DictReader(text.splitlines(), delimiter="\t")}
    assert set(wnids("googlenet_bvlc")) <= rows.keys()
    for row in rows.values():
        assert set(row["parents"].split()) <= rows.keys()
    licence = resources.files("jatlas.model").joinpath("wordnet_license.txt").read_text()
    assert "Princeton University" in licence


def test_other_classes_are_kinds_of_nothing() -> None:
    assert class_hierarchy((), count=2).names == ("class 0", "class 1")
    assert class_hierarchy(("cat", "dog"), count=2).parents == ((), ())


def test_a_hierarchy_of_ones_own_is_read(tmp_path: Path) -> None:
    file = tmp_path / "kinds.csv"
    file.write_text("name,parent\ncat,pet\ndog,pet\npet,animal\nfox,animal\n", encoding="utf-8")
    hierarchy = Hierarchy.of(("cat", "fox", "oak"), read_parents(file))
    assert above(hierarchy, "cat") == {"pet", "animal"} and above(hierarchy, "oak") == set()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "expected the columns name,parent, got"),
        ("child,parent\na,b\n", "expected the columns name,parent"),
        ("name,parent\na\n", "expected a name and a parent a line"),
        ("name,parent\na,\n", "expected a name and a parent a line"),
    ],
)
def test_no_such_table_is_refused(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "kinds.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=match):
        read_parents(file)


def test_what_is_a_kind_of_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="'b' is a kind of itself"):
        Hierarchy.of(("a",), {"a": ["b"], "b": ["c"], "c": ["b"]})
    with pytest.raises(ValueError, match="expected each name once"):
        Hierarchy.of(("a", "a"), {})
    with pytest.raises(ValueError, match=r"parents\[0\]: expected groups, 1 to 1, got \(0,\)"):
        Hierarchy(("a", "b"), ((0,), ()), classes=1)
