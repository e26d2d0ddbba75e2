"""What images show: classes, and groups of classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jatlas.types import HostArray, checks

_STATIC = {"static": True}


@dataclasses.dataclass(frozen=True)
class Hierarchy:
    """Classes, and the groups that they are kinds of.

    Attributes:
      names: of the classes in their order, then of the groups.
      parents: for each of them the indices of the groups that it is a kind of; none for the
        topmost. A class or group may have several.
      classes: number of classes.

    Raises:
      ValueError: if there are more classes than names, or not as many lists of parents, a parent
        is no group, or a group is a kind of itself.

    Example:
      >>> Hierarchy(("cat", "dog", "animal"), ((2,), (2,), ()), classes=2).members().astype(int)
      array([[1, 0, 1],
             [0, 1, 1]])
    """

    names: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    classes: int

    def __post_init__(self) -> None:
        count = len(self.names)
        checks.whole("classes", self.classes, minimum=0, maximum=count)
        if len(self.parents) != count:
            raise ValueError(f"parents: expected {count}, one a name, got {len(self.parents)}")
        for number, above in enumerate(self.parents):
            if not all(self.classes <= each < count for each in above):
                groups = f"{self.classes} to {count - 1}"
                raise ValueError(f"parents[{number}]: expected groups, {groups}, got {above}")
        self._order()

    @classmethod
    def flat(cls, names: Sequence[str]) -> Hierarchy:
        """Return a hierarchy of classes without groups."""
        return cls(tuple(names), ((),) * len(names), classes=len(names))

    @classmethod
    def of(cls, classes: Sequence[str], parents: Mapping[str, Sequence[str]]) -> Hierarchy:
        """Return the hierarchy of classes by name.

        Args:
          classes: their names, each once.
          parents: by the name of a class or group, the names of the groups that it is a kind of;
            what no class belongs to is left out.

        Raises:
          ValueError: if a name is there twice, or a group is a kind of itself.

        Example:
          >>> Hierarchy.of(("cat", "rose"), {"cat": ["pet"], "pet": ["animal"]}).names
          ('cat', 'rose', 'pet', 'animal')
        """
        names = list(classes)
        if len(set(names)) < len(names):
            raise ValueError("classes: expected each name once")
        index = {name: number for number, name in enumerate(names)}
        above: list[tuple[int, ...]] = []
        for name in names:  # which grows by the groups
            for group in parents.get(name, ()):
                if group not in index:
                    index[group] = len(names)
                    names.append(group)
            above.append(tuple(index[group] for group in parents.get(name, ())))
        return cls(tuple(names), tuple(above), classes=len(classes))

    def members(self) -> HostArray:
        """Return (classes, names) bool: whether a class is, or is a kind of, each name."""
        table = np.eye(self.classes, len(self.names), dtype=bool)
        for node in self._order():
            for parent in self.parents[node]:
                table[:, parent] |= table[:, node]
        return table

    def _order(self) -> list[int]:
        """Return all names, each before what it is a kind of."""
        waiting = [0] * len(self.names)
        for above in self.parents:
            for parent in above:
                waiting[parent] += 1
        order = [node for node, count in enumerate(waiting) if not count]
        for node in order:
            for parent in self.parents[node]:
                waiting[parent] -= 1
                if not waiting[parent]:
                    order.append(parent)
        if len(order) < len(self.names):
            left = sorted(set(range(len(self.names))) - set(order))
            raise ValueError(f"parents: {self.names[left[0]]!r} is a kind of itself")
        return order


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """What each image shows.

    Attributes:
      index: (images,) int32 class of each image, -1 if unknown.
      hierarchy: the classes, and what they are kinds of.
      given: whether the labels were given, not predicted by the network.
    """

    index: HostArray
    hierarchy: Hierarchy = dataclasses.field(metadata=_STATIC)
    given: bool = dataclasses.field(default=False, metadata=_STATIC)
