"""Names of classes: what they are, and which class a person means."""

import difflib
from collections.abc import Mapping, Sequence

from jatlas.model._network import Network
from jatlas.types import Params, checks


def find_class(wanted: str | int, names: Sequence[str]) -> int:
    """Find the class that a person means.

    A name exactly as it is listed means that class, if only one has it: what jatlas prints can be
    given back to it, "Cardigan" for the dog and "cardigan" for the garment. Then digits are an
    index, and any other wording has to match a single class regardless of case.

    Args:
      wanted: a name, in upper or lower case, or one of the synonyms if a name is several separated
        by commas; or an index, as a number or in digits.
      names: the name of each class.

    Returns:
      The index of the class.

    Raises:
      ValueError: if several classes match (the message lists them with their indices), if none
        does (the most similar names are listed), or if the index is out of range.

    Example:
      >>> find_class("Wok", ("frying pan", "wok, cooking pot")), find_class("0", ("crane", "wok"))
      (1, 0)
    """
    if not isinstance(wanted, str):
        lowest = -checks.LARGEST_WHOLE  # what is out of range is said with the range
        index = checks.whole("class", wanted, minimum=lowest, expected="a name or an index")
        return _checked_index(index, names)
    text = wanted.strip()
    exact = [index for index, name in enumerate(names) if name == text]
    if len(exact) == 1:
        return exact[0]
    if text.isdecimal() and not exact:
        return _checked_index(int(text), names)
    synonyms = _by_synonym(names)
    matches = synonyms.get(_plain(text), [])
    if not matches:
        raise ValueError(f"class: no class is called {text!r}; {_suggestion(text, synonyms)}")
    if len(matches) > 1:
        choices = ", ".join(_with_neighbour(index, names) for index in matches)
        raise ValueError(f"class: several classes match {text!r}; give the index of one: {choices}")
    return matches[0]


def class_names(network: Network, params: Params, *, known: Sequence[str] = ()) -> tuple[str, ...]:
    """Return a name for each class of a network.

    Args:
      network: the network; it has logits.
      params: its parameters.
      known: names from elsewhere, such as an atlas; if there are any, they are used.

    Returns:
      The known names, or those of the network; "class 0" and so on if there are neither.

    Raises:
      ValueError: if nothing names the classes, and the network cannot be run on images of its
        `input_size` to count them.

    Example:
      >>> network = Network(stages=(("logits", lambda params, x: x.mean((-3, -2))),))
      >>> class_names(network, {})
      ('class 0', 'class 1', 'class 2')
    """
    names = tuple(known) or network.classes
    if names:
        return names
    return tuple(f"class {index}" for index in range(network.class_count(params)))


def _checked_index(index: int, names: Sequence[str]) -> int:
    if not 0 <= index < len(names):
        raise ValueError(f"class: expected an index from 0 to {len(names) - 1}, got {index}")
    return index


def _by_synonym(names: Sequence[str]) -> dict[str, list[int]]:
    indices: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        for synonym in {_plain(part) for part in (name, *name.split(","))}:
            indices.setdefault(synonym, []).append(index)
    return indices


def _suggestion(text: str, synonyms: Mapping[str, Sequence[int]]) -> str:
    similar = difflib.get_close_matches(_plain(text), synonyms, n=3)
    choices = [f"{name!r} ({' or '.join(map(str, synonyms[name]))})" for name in similar]
    return f"did you mean {', '.join(choices)}?" if choices else "no name is similar"


def _with_neighbour(index: int, names: Sequence[str]) -> str:
    # In an ordered list, a neighbour with another name tells two classes of one name apart.
    around = [names[i] for i in (index - 1, index + 1) if 0 <= i < len(names)]
    others = [name for name in around if _plain(name) != _plain(names[index])]
    return f"{index} ({names[index]}" + (f", next to {others[0]})" if others else ")")


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())
