"""The labels of a data set itself: taken from it, or from an atlas that was built of it."""

from __future__ import annotations

from typing import Any, Literal

from jatlas.build import _identity as identity
from jatlas.build._labels import listed_labels
from jatlas.build._plan import Request
from jatlas.records import Atlas, Labels

OWN_LABELS = "own_labels"
"""Where an atlas's info says that its images have labels of their own, see `own_labels_digest`."""

OwnLabels = tuple[str | None, ...] | Labels | None
"""Labels as texts, or as an atlas holds them; None if the images have none."""


def checked_labels(labels: Any) -> tuple[str | None, ...] | Literal["predicted"] | None:
    """Return the argument `labels` of `build`, or raise ValueError."""
    if labels is None:
        return None
    return (
        "predicted" if isinstance(labels, str) and labels == "predicted" else listed_labels(labels)
    )


def _digest(request: Request) -> str:
    """Return what decides which labels an atlas makes of those of its images."""
    return identity.labels_digest(None, request.parents, "")


def own_labels_digest(request: Request, own: OwnLabels, stored: Atlas | None) -> str | None:
    """Return what an atlas says of the labels that its images have of their own.

    Args:
      request: the arguments of the build.
      own: the labels of the images.
      stored: an earlier atlas of them.

    Returns:
      What decides the atlas's labels if they are these, "" if they are others; None if the images
      have none.
    """
    if request.labels is None:
        return None if own is None else _digest(request)
    there = own is not None or (stored is not None and OWN_LABELS in stored.info)
    return "" if there else None


def known_own_labels(request: Request, stored: Atlas) -> Labels | None:
    """Return the labels that images have of their own, as an atlas holds them."""
    return stored.labels if stored.info.get(OWN_LABELS) == _digest(request) else None


def own_labels_lost(request: Request, stored: Atlas | None) -> bool:
    """Return whether images have labels that are asked for, but that their atlas does not hold."""
    if request.labels is not None or stored is None or OWN_LABELS not in stored.info:
        return False
    return known_own_labels(request, stored) is None
