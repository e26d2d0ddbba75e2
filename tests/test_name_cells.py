"""Names of cells, against a plain count and on data whose truth is known."""

import math
from typing import Any

import numpy as np
import pytest

from jatlas.explain import NameConfig, name_accuracy, name_cells
from jatlas.explain._counts import around, checked_on, count, sightings
from jatlas.explain._names import information
from jatlas.records import Hierarchy, Names

ANIMALS = Hierarchy.of(
    ("cat", "dog", "fox", "rose", "oak", "fern"),
    {
        **dict.fromkeys(("cat", "dog", "fox"), ("mammal",)),
        **dict.fromkeys(("rose", "oak", "fern"), ("plant",)),
        "mammal": ("organism",),
        "plant": ("organism",),
    },
)
LEFT, RIGHT = [0.25, 0.5], [0.75, 0.5]  # the two cells of the upper row of a 2 x 2 grid, and below


def made(*groups: tuple[list[float], int, int]) -> dict[str, Any]:
    """Return samples, each of an image of its own: (point, class, how many)."""
    points = np.concatenate([np.tile([p], (n, 1)) for p, _, n in groups])
    labels = np.concatenate([np.full(n, label) for _, label, n in groups])
    return {"points": points, "labels": labels, "image": np.arange(len(labels))}


def names_of(samples: dict[str, Any], *, size: int = 2, **config: float) -> Names:
    return name_cells(
        samples["points"], samples["labels"], samples["image"], ANIMALS,
        size=size, config=NameConfig(**config),
    )  # fmt: skip


def plain_counts(samples: dict[str, Any], *, size: int, half: bool) -> np.ndarray:
    """Count the images of each class in each cell, one by one."""
    counts = np.zeros((size * size, ANIMALS.classes))
    seen = set()
    for (x, y), label, image in zip(*samples.values(), strict=True):
        cell = min(int(y * size), size - 1) * size + min(int(x * size), size - 1)
        if label >= 0 and bool(checked_on(np.array([image]))[0]) == half:
            seen.add((cell, int(image), int(label)))
    for cell, image, label in seen:
        together = sum(other[:2] == (cell, image) for other in seen)
        counts[cell, label] += 1 / together
    return counts


@pytest.fixture
def scattered() -> dict[str, Any]:
    """Samples at random, several of an image, some of its labels unknown."""
    rng = np.random.default_rng(1)
    image = rng.integers(0, 40, 300)
    return {
        "points": rng.random((300, 2)),
        "labels": rng.integers(-1, 6, 50)[image],
        "image": image,
    }


def test_images_are_counted_once_in_each_cell(scattered: dict[str, Any]) -> None:
    halves = sightings(*scattered.values(), ANIMALS, size=3)
    for half, seen in zip((False, True), halves, strict=True):
        expected = plain_counts(scattered, size=3, half=half)
        found = count(seen, ANIMALS, rows=9)
        np.testing.assert_allclose(found.shown.toarray(), expected @ ANIMALS.members())
        np.testing.assert_allclose(found.images, expected.sum(1))


def test_labels_of_samples_share_their_image(scattered: dict[str, Any]) -> None:
    """As evidence labels them: the classes of an image in a cell add up to one image."""
    rng = np.random.default_rng(2)
    mixed = scattered | {"labels": rng.integers(0, 6, 300)}
    seen, _ = sightings(*mixed.values(), ANIMALS, size=2)
    images = count(seen, ANIMALS, rows=4).images
    pairs = {(c, i) for c, i in zip(seen.cell.tolist(), seen.image.tolist(), strict=True)}
    np.testing.assert_allclose(images, [sum(c == cell for c, _ in pairs) for cell in range(4)])


def test_surroundings_hold_each_image_once_and_none_of_the_cell(scattered: dict[str, Any]) -> None:
    size = 5
    seen, _ = sightings(*scattered.values(), ANIMALS, size=size)
    near = around(seen, size=size, reach=2, cells=np.ones(size * size, bool))
    where: dict[tuple[int, int], float] = {}
    for cell in range(size * size):
        for other, image in zip(seen.cell.tolist(), seen.image.tolist(), strict=True):
            down, right = (
                abs(a - b) for a, b in zip(divmod(cell, size), divmod(other, size), strict=True)
            )
            if down**2 + right**2 <= 4:
                weight = math.exp(-(down**2 + right**2) / 2)
                where[cell, image] = max(where.get((cell, image), 0.0), weight)
    expected = {pair: weight for pair, weight in where.items() if weight < 1}
    found: dict[tuple[int, int], float] = {}
    for cell, image, weight in zip(near.cell, near.image, near.weight, strict=True):
        pair = (int(cell), int(image))
        found[pair] = found.get(pair, 0.0) + float(weight)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[x] for x in expected], list(expected.values()))


def test_a_cell_has_the_name_that_fits_its_images_best() -> None:
    mixed = [(LEFT, label, 30) for label in (0, 1, 2)]  # cats, dogs and foxes
    samples = made(*mixed, (RIGHT, 4, 40), (LEFT, 3, 30), (RIGHT, 5, 40))
    names = names_of(samples, max_group_share=0.6)
    assert [names[i] for i in range(2)] == [None, None]  # the upper row is empty
    assert [names[i] for i in range(2, 4)] == ["mammal", "plant"]
    np.testing.assert_array_equal(names.images, [0, 0, 120, 80])
    np.testing.assert_array_equal(names.shown, [0, 0, 90, 80])


def test_a_group_of_most_images_is_no_name_but_a_class_may_be() -> None:
    dogs = made((LEFT, 1, 80), (RIGHT, 3, 20))
    assert names_of(dogs)[2] == "dog"
    mammals = made(*((LEFT, label, 30) for label in (0, 1, 2)), (RIGHT, 3, 20))
    assert names_of(mammals)[2] is None
    assert names_of(mammals, max_group_share=0.9)[2] == "mammal"


def test_cells_that_show_what_all_do_are_unclear() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((4000, 2))
    labels = rng.integers(0, 6, 4000)
    names = name_cells(points, labels, np.arange(4000), ANIMALS, size=10)
    named = sum(names[i] is not None for i in range(100))
    # By Chernoff's bound each of eight names stands above e^-3 of the cells at most.
    assert named <= 8 * math.exp(-3) * 100
    assert np.isnan(names.held_out[names.name < 0]).all()


def test_the_held_out_share_is_that_of_the_other_half() -> None:
    """A name that is chosen by chance does not hold on the images it was not chosen on."""
    samples = made((LEFT, 1, 200), (RIGHT, 3, 200))
    where = np.flatnonzero(samples["labels"] == 1)
    other = where[checked_on(samples["image"][where])]
    samples["labels"][other[::4]] = 4  # of those that names are checked on, every fourth is an oak
    names = names_of(samples)
    assert names[2] == "dog"
    assert names.held_out_images[2] == len(other)
    assert names.held_out[2] == pytest.approx(1 - len(other[::4]) / len(other), abs=1e-4)


def test_half_of_the_images_are_checked_on_whatever_their_order() -> None:
    for images in (np.arange(6400), np.arange(0, 64 * 6400, 64), np.arange(6400) ** 2):
        assert 0.45 < checked_on(images).mean() < 0.55


def test_the_order_of_the_samples_does_not_matter(scattered: dict[str, Any]) -> None:
    order = np.random.default_rng(3).permutation(300)
    loose = {"min_nats": 0.1, "min_share": 0.0, "min_images": 1.0}
    one = names_of(scattered, size=6, **loose)
    other = names_of({name: x[order] for name, x in scattered.items()}, size=6, **loose)
    assert (one.name >= 0).any() and one.vocabulary == other.vocabulary
    for name in ("name", "shown", "images", "held_out", "held_out_images"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_cell_of_few_images_borrows_of_those_around_it() -> None:
    side = 5
    ring = [[(c + 0.5) / side, (r + 0.5) / side] for r in (1, 2, 3) for c in (1, 2, 3)]
    groups = [(place, 1, 2 if place == [0.5, 0.5] else 8) for place in ring]
    samples = made(*groups, ([0.1, 0.1], 3, 100))
    middle = side * 2 + 2
    alone = names_of(samples, size=side, borrow_up_to=0.0)
    assert alone[middle] is None and alone.images[middle] == 2
    if (~checked_on(samples["image"][samples["labels"] == 1])).any():
        assert names_of(samples, size=side)[middle] in ("dog", None)
    named = names_of(samples, size=side)
    chosen_on = ~checked_on(samples["image"])
    in_middle = (samples["points"] == 0.5).all(1)
    assert (named[middle] == "dog") == bool((chosen_on & in_middle).any())


def test_names_of_some_cells_are_those_of_all(scattered: dict[str, Any]) -> None:
    config = NameConfig(min_nats=0.5)
    every = name_cells(*scattered.values(), ANIMALS, size=3, config=config)
    some = name_cells(
        *scattered.values(), ANIMALS, size=3, cells=np.array([1, 4, 8]), config=config
    )
    assert [some[i] for i in range(3)] == [every[i] for i in (1, 4, 8)]
    np.testing.assert_array_equal(some.images, every.images[[1, 4, 8]])


def test_what_a_name_tells_is_chernoffs_bound() -> None:
    """Against the chance itself, of a binomial distribution."""
    n, q = 40, 0.2
    chance = [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]
    for k in (10, 16, 30, 40):
        nats = float(information(np.array([k / n]), n, np.array([q]))[0])
        assert sum(chance[k:]) <= math.exp(-nats) <= 60 * sum(chance[k:])
    assert information(np.array([0.2, 0.1]), 40, np.array([0.2, 0.2])).tolist() == [0, 0]


def test_nothing_known_gives_no_names() -> None:
    samples = made((LEFT, -1, 30), (RIGHT, -1, 30))
    names = names_of(samples)
    assert names.vocabulary == () and len(names) == 4 and not names.images.any()
    empty = name_cells(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0, int), ANIMALS, size=2)
    assert [empty[i] for i in range(4)] == [None] * 4


def test_wrong_arguments_are_refused() -> None:
    samples = made((LEFT, 1, 3))
    with pytest.raises(ValueError, match=r"expected one each, got 3, 3 and 2"):
        name_cells(samples["points"], samples["labels"], np.arange(2), ANIMALS, size=2)
    with pytest.raises(ValueError, match=r"labels: expected classes below 6, got 6"):
        names_of(samples | {"labels": np.array([1, 6, 0])})
    with pytest.raises(ValueError, match="max_group_share"):
        NameConfig(max_group_share=1.5)


def test_accuracy_counts_images_that_a_name_was_not_chosen_on() -> None:
    """Predictions that are wrong for all images of one cell, and right for the other."""
    samples = made((LEFT, 1, 200), (RIGHT, 3, 200))
    names = names_of(samples)
    place, _, image = samples.values()
    truth = np.where(samples["labels"] == 1, 0, 3)  # the dogs are cats
    found = name_accuracy(names, place, truth, image, ANIMALS, size=2)
    checked = checked_on(image)
    right = (truth == 3)[checked].mean()
    assert found.named == 0.5 and found.absent == 0.5
    assert found.held_out == pytest.approx(right)
    assert found.chance == pytest.approx((truth == 3)[checked].mean() * right, abs=1e-6)
    own = name_accuracy(names, place, samples["labels"], image, ANIMALS, size=2)
    assert (own.held_out, own.absent) == (1.0, 0.0)
    nothing = name_accuracy(
        names_of(made((LEFT, -1, 5))), *made((LEFT, -1, 5)).values(), ANIMALS, size=2
    )
    assert nothing.named == 0 and math.isnan(nothing.held_out)
