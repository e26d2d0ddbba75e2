"""What the images of an atlas show: as they are labelled, or as the network takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jatlas.model import class_hierarchy, wordnet_hierarchy
from jatlas.records import Hierarchy, Labels
from jatlas.types import HostArray, checks

Parents = Mapping[str, Sequence[str]]
"""By the name of a class or group, the groups that it is a kind of."""


def given_labels(
    labels: Sequence[str | None], *, images: int, classes: Hierarchy | None, parents: Parents | None
) -> Labels:
    """Return the labels that images are given.

    Args:
      labels: one for each image, None if unknown: names of classes, or their WordNet ids.
      images: number of images.
      classes: of the network; None if it has no classes.
      parents: what the classes are kinds of; None takes what is known of them.

    Raises:
      ValueError: if there are not as many labels as images, or none is known, or one is no text.
    """
    each = listed_labels(labels)
    if len(each) != images:
        raise ValueError(f"labels: expected {images}, one for each image, got {len(each)}")
    names = sorted({label for label in each if label is not None})
    if not names:
        raise ValueError("labels: expected some that are known")
    hierarchy, index = _hierarchy(names, classes, parents)
    numbers = [-1 if label is None else index[label] for label in each]
    return Labels(index=np.array(numbers, np.int32), hierarchy=hierarchy, given=True)


def listed_labels(labels: Any) -> tuple[str | None, ...]:
    """Return labels as a tuple.

    Raises:
      ValueError: if they are no texts.
    """
    each = checks.as_tuple(labels)
    if each is None or not all(label is None or isinstance(label, str) for label in each):
        raise ValueError("labels: expected a text, or None, for each image")
    return each


def _hierarchy(
    names: list[str], classes: Hierarchy | None, parents: Parents | None
) -> tuple[Hierarchy, dict[str, int]]:
    """Return what labels are kinds of, and the number of each label."""
    order = {name: number for number, name in enumerate(names)}
    if parents is not None:
        return Hierarchy.of(names, parents), order
    wordnet = wordnet_hierarchy(names)
    if wordnet is not None:
        return wordnet, order
    if classes is not None:
        known = {name: i for i, name in reversed(list(enumerate(classes.names[: classes.classes])))}
        if known.keys() >= set(names):
            return classes, known
    return Hierarchy.flat(names), order


def predicted_labels(predicted: HostArray, classes: Hierarchy) -> Labels | None:
    """Return what a network takes images for; None if it takes them for nothing.

    Args:
      predicted: (images,) int32 class of each, -1 if unknown.
      classes: of the network.
    """
    if not (predicted >= 0).any():
        return None
    return Labels(index=predicted, hierarchy=classes)


def network_classes(
    classes: Sequence[str], *, count: int, parents: Parents | None = None
) -> Hierarchy:
    """Return the classes of a network and what they are kinds of.

    Args:
      classes: their names; the others are called "class 7".
      count: number of classes.
      parents: what they are kinds of; None takes what is known of them.
    """
    known = class_hierarchy(classes, count=count)
    if parents is None:
        return known
    return Hierarchy.of(known.names[:count], parents)
