"""Names of classes as people type them."""

import pytest

from jatlas.model import _labels as labels
from jatlas.model import find_class

NAMES = labels.names("googlenet_bvlc")


@pytest.mark.parametrize("wanted", ["frying pan", "Frying Pan", " frying_pan ", "567", 567])
def test_a_class_is_found_by_name_and_by_index(wanted: str | int) -> None:
    assert find_class(wanted, NAMES) == 567
    assert NAMES[567] == "frying pan"


def test_every_name_that_is_no_other_classes_is_found() -> None:
    lower = [name.lower() for name in NAMES]
    shared = {name for name in lower if lower.count(name) > 1}
    assert shared == {"crane", "maillot", "cardigan"}  # the dog has a capital letter
    for index, name in enumerate(NAMES):
        if NAMES.count(name) == 1:
            assert find_class(name, NAMES) == index


def test_a_name_as_it_is_listed_comes_before_all_others() -> None:
    assert NAMES[find_class("Cardigan", NAMES)] == "Cardigan"
    assert NAMES[find_class("cardigan", NAMES)] == "cardigan"
    with pytest.raises(ValueError, match=r"264 \(Cardigan, .*\), 474 \(cardigan, "):
        find_class("CARDIGAN", NAMES)
    names = ("crane", "crane, derrick", "Crane, heron")
    assert find_class("crane", names) == 0  # the others have a longer name to go by
    with pytest.raises(ValueError, match=r"'Crane' can be several.*: 0 .*, 1 .*, 2 "):
        find_class("Crane", names)


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
        ("crane", r"134 \(crane, listed beside bittern\), 517 \(crane, listed beside "),
        ("Maillot", r"638 \(maillot, .*mailbox\), 639 \(maillot, listed beside manhole cover\)"),
    ],
)
def test_an_ambiguous_name_is_asked_back_with_the_choices(name: str, choices: str) -> None:
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
def test_a_misspelt_name_is_answered_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(ValueError, match=f"there is no {wrong!r}; did you mean .*{right}"):
        find_class(wrong, NAMES)


def test_what_is_like_no_name_and_no_index_is_refused() -> None:
    with pytest.raises(ValueError, match="no 'qqqqqqq'; no name is like it"):
        find_class("qqqqqqq", NAMES)
    for index in (1000, "1000", -1):
        with pytest.raises(ValueError, match="index from 0 to 999, got"):
            find_class(index, NAMES)
