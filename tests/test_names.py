"""Names of classes: what they are, and as people type them."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from helpers import CLASSES, tiny_network, tiny_params

from jatlas.model import class_names, find_class, known_classes

NAMES = known_classes("googlenet_bvlc")


@pytest.mark.parametrize("wanted", ["frying pan", "Frying Pan", " frying_pan ", "567", 567])
def test_a_class_is_found_by_name_and_by_index(wanted: str | int) -> None:
    assert find_class(wanted, NAMES) == 567
    assert NAMES[567] == "frying pan"


def test_every_name_of_a_single_class_is_found() -> None:
    lower = [name.lower() for name in NAMES]
    shared = {name for name in lower if lower.count(name) > 1}
    assert shared == {"crane", "maillot", "cardigan"}  # the dog has a capital letter
    for index, name in enumerate(NAMES):
        if NAMES.count(name) == 1:
            assert find_class(name, NAMES) == index


def test_an_exact_name_takes_precedence() -> None:
    assert NAMES[find_class("Cardigan", NAMES)] == "Cardigan"
    assert NAMES[find_class("cardigan", NAMES)] == "cardigan"
    with pytest.raises(ValueError, match=r"264 \(Cardigan, .*\), 474 \(cardigan, "):
        find_class("CARDIGAN", NAMES)
    names = ("crane", "crane, derrick", "Crane, heron")
    assert find_class("crane", names) == 0  # the others have a longer name to go by
    with pytest.raises(ValueError, match=r"several classes match 'Crane'; give .*: 0 .*, 1 .*, 2 "):
        find_class("Crane", names)


def test_an_exact_name_of_digits_takes_precedence_over_an_index() -> None:
    names = ("9", "0", "1")
    assert [find_class(name, names) for name in names] == [0, 1, 2]
    assert find_class("2", names) == 2
    assert find_class(1, names) == find_class(np.int64(1), names) == 1
    with pytest.raises(ValueError, match=r"several classes match '1'; .*: 0 \(1.*\), 1 \(1"):
        find_class("1", ("1", "1"))


def test_synonyms_are_found_and_the_whole_list_too() -> None:
    names = ("tench, Tinca tinca", "wok", "pan, wok pan, tench, tench")
    assert find_class("tinca  TINCA", names) == 0
    assert find_class("tench, Tinca tinca", names) == 0
    assert find_class("wok pan", names) == 2
    with pytest.raises(ValueError, match=r"several.*: 0 \(tench, Tinca tinca, .*\), 2 \(pan, "):
        find_class("tench", names)
    with pytest.raises(ValueError, match=r"0 \(wok\), 1 \(wok\)"):
        find_class("wok", ("wok", "wok"))


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("crane", r"134 \(crane, next to bittern\), 517 \(crane, next to "),
        ("Maillot", r"638 \(maillot, .*mailbox\), 639 \(maillot, next to manhole cover\)"),
    ],
)
def test_an_ambiguous_name_is_refused_and_the_choices_listed(name: str, choices: str) -> None:
    with pytest.raises(ValueError, match=choices):
        find_class(name, NAMES)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("fyring pan", r"'frying pan' \(567\)"),
        ("red foxx", r"'red fox' \(277\)"),
        ("cranne", r"'crane' \(134 or 517\)"),
    ],
)
def test_similar_names_are_suggested_for_a_misspelt_one(wrong: str, right: str) -> None:
    with pytest.raises(ValueError, match=f"no class is called {wrong!r}; did you mean .*{right}"):
        find_class(wrong, NAMES)


def test_unknown_names_and_indices_are_refused() -> None:
    with pytest.raises(ValueError, match="no class is called 'qqqqqqq'; no name is similar"):
        find_class("qqqqqqq", NAMES)
    for index in (1000, "1000", -1):
        with pytest.raises(ValueError, match="index from 0 to 999, got"):
            find_class(index, NAMES)


def test_class_names_are_known_ones_then_those_of_the_network_then_numbers() -> None:
    network, params = tiny_network(), tiny_params()
    named = dataclasses.replace(network, classes=tuple("abcde"))
    assert class_names(named, params, known=tuple("vwxyz")) == tuple("vwxyz")
    assert class_names(named, params) == tuple("abcde")
    assert class_names(network, params) == tuple(f"class {index}" for index in range(CLASSES))


@pytest.mark.parametrize("wanted", [3.7, True, float("nan"), None])
def test_what_is_no_index_is_refused(wanted: Any) -> None:
    with pytest.raises(ValueError, match=r"^class: expected a name or an index, got "):
        find_class(wanted, NAMES)
