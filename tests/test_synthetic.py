"""Synthetic images: their labels and factors are true, and they depend on their key alone."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas import synthetic
from jatlas.synthetic import _canvas as canvas
from jatlas.synthetic import _image as imaging
from jatlas.synthetic import _palettes as palettes

KEY = jax.random.key(5)
SIZE = 32
FEW = ("grating", "pebbles", "star", "sunset")  # one without a field, three kinds of program
LARGE = ("grating", "rings", "heart")  # whose factors are measured on large images
few_batch = functools.partial(synthetic.batch, key=KEY, per_class=2, size=SIZE, classes=FEW)


def images_of(batch: synthetic.Batch, name: str) -> synthetic.Image:
    """Take the images of one class out of a batch."""
    rows = np.flatnonzero(batch.labels == synthetic.CLASSES.index(name))
    return synthetic.Image(
        *jax.tree.map(lambda x: np.asarray(x)[rows], (batch.pixels, batch.factors))
    )


@pytest.fixture(scope="module")
def few() -> synthetic.Batch:
    """Two images of a few classes."""
    return jax.tree.map(np.asarray, few_batch())


@pytest.fixture(scope="module")
def large() -> synthetic.Batch:
    """Twelve large images of each class that is measured on such."""
    batch = synthetic.batch(key=KEY, per_class=12, size=96, classes=LARGE)
    return jax.tree.map(np.asarray, batch)


@pytest.fixture(scope="module")
def everything() -> synthetic.Batch:
    """Twelve images of every class, drawn by one compiled program."""
    batch = functools.partial(synthetic.batch, key=KEY, per_class=4, size=SIZE)
    parts = [batch(first=first) for first in (0, 4, 8)]
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def test_there_are_enough_classes_with_plain_names() -> None:
    assert 48 <= len(synthetic.CLASSES) <= 64
    assert len(set(synthetic.CLASSES)) == len(synthetic.CLASSES)
    assert all(name.replace(" ", "").isalpha() and name.islower() for name in synthetic.CLASSES)


@pytest.mark.slow
def test_images_of_all_classes_are_valid(everything: synthetic.Batch) -> None:
    pixels, labels, factors = everything
    assert pixels.shape == (12 * len(synthetic.CLASSES), SIZE, SIZE, 3)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0 and pixels.max() <= 1  # which NaN would fail
    np.testing.assert_array_equal(labels, np.tile(np.arange(len(synthetic.CLASSES)), 12))
    assert all(np.isfinite(value).all() and len(value) == len(labels) for value in factors)
    # Neither blank nor overexposed, and no two the same.
    contrast = pixels.std(axis=(1, 2)).mean(-1)
    assert contrast.min() > 0.015, synthetic.CLASSES[labels[contrast.argmin()]]
    assert ((pixels == 0) | (pixels == 1)).all(-1).mean() < 0.1
    assert len(np.unique(pixels.reshape(len(pixels), -1), axis=0)) == len(pixels)


@pytest.mark.slow
def test_classes_can_be_told_apart_but_not_by_mean_colour(everything: synthetic.Batch) -> None:
    pixels, labels, _ = everything
    count = len(synthetic.CLASSES)
    mean_color = pixels.mean((1, 2))
    edges = [np.abs(np.diff(pixels, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    small = pixels.reshape(-1, 8, 4, 8, 4, 3).mean((2, 4)).reshape(len(pixels), -1)
    spectrum = np.abs(np.fft.rfft2(pixels.mean(-1)))[:, :16, :16].reshape(len(pixels), -1)
    features = np.concatenate([mean_color, *edges, small, np.log(spectrum + 0.1)], axis=1)

    def score(x: np.ndarray) -> float:
        """Accuracy on the last third of a nearest-mean classifier of the first two."""
        x = (x - x.mean(0)) / (x.std(0) + 1e-6)
        known, asked = x[: 8 * count], x[8 * count :]
        means = known.reshape(8, count, -1).mean(0)
        nearest = ((asked[:, None] - means) ** 2).sum(-1).argmin(1)
        return float((nearest == labels[8 * count :]).mean())

    assert score(features) > 16 / count  # sixteen times better than chance
    assert score(mean_color) < 0.3


@pytest.mark.slow
def test_an_image_depends_on_its_class_and_number_only(few: synthetic.Batch) -> None:
    one, two = few, few_batch(first=1)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(a[len(FEW) :], b[: len(FEW)])
    assert np.abs(one.pixels[: len(FEW)] - two.pixels[: len(FEW)]).mean((1, 2, 3)).min() > 0.01
    for place, name in tuple(enumerate(FEW))[1:3]:
        label = synthetic.CLASSES.index(name)
        key = synthetic.image_key(key=KEY, label=label, number=1)
        draw = jax.jit(functools.partial(synthetic.draw, name, size=SIZE))
        alone = draw(key=key)
        differ = np.abs(alone.pixels - two.pixels[place])
        # Another program rounds differently, which may move an edge but not the image.
        assert differ.mean() < 1e-4, name
        for ours, theirs in zip(alone.factors, two.factors, strict=True):
            np.testing.assert_allclose(ours, theirs[place], atol=1e-5)


@pytest.mark.slow
def test_images_are_deterministic_and_differ_for_another_key(few: synthetic.Batch) -> None:
    np.testing.assert_array_equal(few_batch().pixels, few.pixels)
    other = few_batch(key=jax.random.key(6))
    assert np.abs(other.pixels - few.pixels).mean((1, 2, 3)).min() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 97])
def test_an_image_shows_the_same_at_every_size(size: int, large: synthetic.Batch) -> None:
    fine = images_of(large, "heart").pixels[:4]
    other = synthetic.batch(key=KEY, per_class=4, size=size, classes=("heart",)).pixels
    assert other.shape == (4, size, size, 3)
    shrunk = jax.vmap(lambda x: jax.image.resize(x, (size, size, 3), "linear"))(fine)
    assert np.abs(shrunk - other).mean() < 0.02


@pytest.mark.slow
def test_orientation_and_scale_are_those_of_the_spectrum(large: synthetic.Batch) -> None:
    size = 96
    pixels, factors = images_of(large, "grating")
    # The light brightens one side, which may be stronger than faint stripes: subtract a plane.
    y, x = np.indices((size, size)).reshape(2, -1)
    plane = np.stack([np.ones(size**2), y, x], axis=1)
    gray = pixels.mean(-1).reshape(len(pixels), -1).T
    gray = (gray - plane @ np.linalg.lstsq(plane, gray)[0]).T.reshape(-1, size, size)
    wide = 4 * size  # padded, to read frequencies between the integers
    window = np.outer(np.hanning(size), np.hanning(size))
    spectrum = np.abs(np.fft.fft2(gray * window, (wide, wide)))
    frequency = np.fft.fftfreq(wide) * size  # periods per side
    found = spectrum[:, :, : wide // 2]
    found[:, np.hypot(frequency[:, None], frequency[None, : wide // 2]) < 2.5] = 0
    row, column = np.unravel_index(found.reshape(len(found), -1).argmax(1), found.shape[1:])
    fy, fx = frequency[row], frequency[column]
    np.testing.assert_allclose(np.hypot(fy, fx), 1 / factors.scale, rtol=0.05)
    away = (np.arctan2(fy, fx) - factors.orientation + np.pi / 2) % np.pi - np.pi / 2
    assert np.abs(away).max() < np.deg2rad(4)


@pytest.mark.slow
def test_position_is_the_centre_of_the_rings(large: synthetic.Batch) -> None:
    pixels, factors = images_of(large, "rings")
    for image, y, x in zip(pixels, factors.y, factors.x, strict=True):
        # Rings look the same rotated by half a turn about their centre: search for it.
        cuts = {}
        for row, column in itertools.product(range(26, 71, 2), repeat=2):
            reach = 25
            part = image[row - reach : row + reach, column - reach : column + reach].mean(-1)
            cuts[row, column] = np.abs(part - part[::-1, ::-1]).mean() / part.std()
        row, column = min(cuts, key=lambda place: cuts[place])
        assert np.hypot(row / 96 - y, column / 96 - x) < 0.035


def test_hue_is_that_of_the_main_ink(large: synthetic.Batch) -> None:
    pixels, factors = images_of(large, "heart")
    for image, y, x, hue in zip(pixels, factors.y, factors.x, factors.hue, strict=True):
        row, column = round(96 * float(y)), round(96 * float(x))
        red, green, blue = image[row - 4 : row + 5, column - 4 : column + 5].mean((0, 1))
        found = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue) / (2 * np.pi)
        assert abs((found - hue + 0.5) % 1 - 0.5) < 0.06


@pytest.mark.slow
def test_images_darken_along_the_light(everything: synthetic.Batch) -> None:
    pixels, factors = images_of(everything, "pebbles")
    # Fit a plane to the brightness of each image.
    places = (np.arange(SIZE) + 0.5) / SIZE - 0.5
    gray = pixels.mean(-1) - pixels.mean((1, 2, 3))[:, None, None]
    across, down = (gray * places).mean((1, 2)), (gray * places[:, None]).mean((1, 2))
    agree = -(across * np.cos(factors.light) + down * np.sin(factors.light))
    assert agree.mean() > 0.5 * np.hypot(across, down).mean()


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"class: expected one of grating, .*; got 'gratin'"):
        synthetic.draw("gratin", key=KEY, size=SIZE)
    for index in (-1, len(synthetic.CLASSES)):
        with pytest.raises(ValueError, match=f"class: expected 0 to .*, got {index}"):
            synthetic.draw(index, key=KEY, size=SIZE)
    with pytest.raises(ValueError, match="size: expected at least 16 pixels, got 8"):
        synthetic.draw("star", key=KEY, size=8)
    with pytest.raises(ValueError, match="size: expected at least 16"):
        synthetic.batch(key=KEY, per_class=1, size=0)
    with pytest.raises(ValueError, match="per_class: expected at least 1, got 0"):
        synthetic.batch(key=KEY, per_class=0, size=SIZE)
    for wrong in ((), ("star", "star")):
        with pytest.raises(ValueError, match="classes: expected at least one, without repetition"):
            synthetic.batch(key=KEY, per_class=1, size=SIZE, classes=wrong)
    with pytest.raises(ValueError, match="count: expected at least 1 image, got 0"):
        synthetic.Synthetic(0, key=KEY)


@pytest.mark.slow
def test_a_source_resumes_to_the_same_images(few: synthetic.Batch) -> None:
    source = synthetic.Synthetic(70, key=KEY, size=SIZE, classes=FEW)
    whole = list(source.load())
    assert [item.index for item in whole] == list(range(source.count))
    assert np.abs(whole[5].image - few.pixels[5]).mean() < 1e-4
    for start in (3, 64, 69):  # blocks are of 64
        rest = list(source.load(start))
        assert [item.index for item in rest] == list(range(start, 70))
        for item, first in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(item.image, first.image)
    assert list(source.load(70)) == []
    assert [source.name(index) for index in (0, 6)] == ["grating 0", "star 1"]
    assert source.label(6) == synthetic.CLASSES.index("star")
    with pytest.raises(ValueError, match="start: expected"):
        source.load(-1)


def test_a_fingerprint_tells_sources_apart() -> None:
    make = functools.partial(synthetic.Synthetic, 8, key=KEY, size=SIZE, classes=FEW)
    assert make().fingerprint() == make().fingerprint()
    others = (
        make(key=jax.random.key(1)),
        make(size=33),
        make(classes=FEW[::-1]),
        synthetic.Synthetic(9, key=KEY, size=SIZE, classes=FEW),
    )
    assert all(other.fingerprint() != make().fingerprint() for other in others)


@pytest.mark.slow
def test_the_noise_of_the_background_is_transposed() -> None:
    values = jax.random.uniform(KEY, (canvas.lattice_count(),))
    noise = canvas.smooth_noise(values, SIZE)
    for plane, other in zip(noise, canvas.smooth_noise(values, SIZE, turned=True), strict=True):
        np.testing.assert_allclose(plane.T, other, atol=1e-5)


def test_the_fast_sine_is_the_sine() -> None:
    x = np.linspace(-30, 30, 2001, dtype=np.float32)
    np.testing.assert_allclose(imaging._sine(x), np.sin(x.astype(float)), atol=5e-6)


def test_palettes_are_colours() -> None:
    table = palettes.table()
    assert table.shape == (len(palettes.PALETTES), palettes.INKS, 3)
    np.testing.assert_allclose(table[0, 0], np.array([0xB5, 0x53, 0x3C]) / 255, rtol=1e-6)
    assert jnp.all((table >= 0) & (table <= 1))
