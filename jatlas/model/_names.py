"""The class that a person means by a name."""

import difflib
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jatlas.model._network import Network
from jatlas.types import Params


def find_class(wanted: str | int, names: Sequence[str]) -> int:
    """Find the class that a person means.

    The name of one class exactly as it is listed means that class: names that jatlas prints can be
    given back to it, "Cardigan" for the dog and "cardigan" for the garment. Any other wording that
    several classes answer to is asked back rather than guessed.

    Args:
      wanted: A name, upper or lower case, or one of the synonyms where a name is several set
        apart by commas; or an index, as a number or in digits.
      names: The name of each class.

    Returns:
      The index of the class.

    Raises:
      ValueError: If several classes have that name (the message lists them with their
        indices), none has (the nearest are named), or the index is out of range.

    >>> find_class("Wok", ("frying pan", "wok, cooking pot")), find_class("0", ("crane", "wok"))
    (1, 0)
    """
    text = str(wanted).strip()
    if isinstance(wanted, int) or text.isdecimal():
        if not 0 <= int(text) < len(names):
            raise ValueError(f"class: expected an index from 0 to {len(names) - 1}, got {text}")
        return int(text)
    exactly = [index for index, name in enumerate(names) if name == text]
    if len(exactly) == 1:
        return exactly[0]
    called: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        for synonym in {_plain(part) for part in (name, *name.split(","))}:
            called.setdefault(synonym, []).append(index)
    found = called.get(_plain(text), [])
    if len(found) > 1:
        choices = ", ".join(_told_apart(index, names) for index in found)
        raise ValueError(f"class: {text!r} can be several, name one by its index: {choices}")
    if not found:
        near = difflib.get_close_matches(_plain(text), called, n=3)
        choices = ", ".join(
            f"{synonym!r} ({' or '.join(map(str, called[synonym]))})" for synonym in near
        )
        hint = f"did you mean {choices}?" if near else "no name is like it"
        raise ValueError(f"class: there is no {text!r}; {hint}")
    return found[0]


def _told_apart(index: int, names: Sequence[str]) -> str:
    # A neighbour of another name, in lists that are in some order, says which is which.
    around = [names[i] for i in (index - 1, index + 1) if 0 <= i < len(names)]
    others = [name for name in around if _plain(name) != _plain(names[index])]
    return f"{index} ({names[index]}" + (f", listed beside {others[0]})" if others else ")")


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def names_of(network: Network, params: Params, *, known: Sequence[str] = ()) -> tuple[str, ...]:
    """Return a name for each class of a network.

    Args:
      network: the network; its last stage gives the logits.
      params: its parameters.
      known: names from elsewhere, an atlas say, that come first.

    Returns:
      The known names, or those of the network; where nobody knows them, "class 0" and so on.
    """
    names = tuple(known) or network.classes
    if names:
        return names
    side = network.input_size
    image = jax.ShapeDtypeStruct((side, side, 3), jnp.float32)
    count = jax.eval_shape(network.run, params, image).shape[-1]
    return tuple(f"class {index}" for index in range(count))
