"""Parameterizations against lucid's own code and against plain NumPy."""

import functools
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.visualize import MACO, Alpha, Constant, Fourier, Parameterization, Pixels
from jatlas.visualize import _parameterize as parameterize

HostArray = np.ndarray
GOLDEN = Path(__file__).parent / "golden" / "lucid.npz"
# One program for a size: one by one, the operations take 20 to compile.
init_spectrum = jax.jit(parameterize.init_spectrum, static_argnums=(0, 1))
spectrum_to_image = jax.jit(parameterize.spectrum_to_image, static_argnames="width")


@functools.partial(jax.jit, static_argnums=(0, 1))
def init(each: Parameterization, size: int, *, key: jax.Array) -> Any:
    return each.init(size, key=key)


@functools.partial(jax.jit, static_argnums=0, static_argnames="size")
def develop(each: Parameterization, params: Any, *, size: int) -> jax.Array:
    return each.image(params, size=size)


def test_images_equal_those_of_lucid() -> None:
    with np.load(GOLDEN) as golden:
        spectrum, raw, rgb = (golden[name] for name in ("spectrum", "raw", "rgb"))
    planes = parameterize.spectrum_to_planes(jnp.asarray(spectrum), width=96)
    assert planes.shape == (64, 96, 3)
    np.testing.assert_allclose(planes[::4, ::4], raw, rtol=0, atol=1e-6)
    np.testing.assert_allclose(parameterize.planes_to_rgb(raw), rgb, rtol=0, atol=1e-6)
    image = spectrum_to_image(jnp.asarray(spectrum), width=96)
    np.testing.assert_allclose(image[::4, ::4], rgb, rtol=0, atol=1e-6)
    assert raw.std() > 0.05 and rgb.std() > 0.01  # else nothing above was compared


def plain_planes(spectrum: HostArray, width: int) -> HostArray:
    """Compute the planes in double precision, frequency by frequency."""
    height = spectrum.shape[2]
    scaled = np.empty(spectrum.shape[1:], np.complex128)
    for row in range(height):
        vertical = min(row, height - row) / height
        for column in range(width // 2 + 1):
            frequency = np.sqrt(vertical**2 + (column / width) ** 2)
            gain = np.sqrt(height * width) / max(frequency, 1 / max(height, width))
            scaled[:, row, column] = gain * (spectrum[0] + 1j * spectrum[1])[:, row, column]
    return np.stack([np.fft.irfft2(plane, s=(height, width)) for plane in scaled], -1) / 4


def plain_image(spectrum: HostArray, width: int) -> HostArray:
    """Compute the image in double precision."""
    planes = plain_planes(spectrum, width)
    root = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    root /= np.sqrt((root**2).sum(0)).max()
    return 1 / (1 + np.exp(-np.einsum("hwc,rc->hwr", planes, root)))


@pytest.mark.parametrize(("height", "width"), [(7, 9), (9, 6), (6, 9), (8, 8), (5, 1), (1, 5)])
def test_images_are_those_of_plain_numpy_for_odd_sizes_too(height: int, width: int) -> None:
    shape = (2, 3, height, width // 2 + 1)
    spectrum = np.random.default_rng(height).standard_normal(shape).astype(np.float32)
    found = spectrum_to_image(jnp.asarray(spectrum), width=width)
    assert found.shape == (height, width, 3)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, plain_image(spectrum, width), rtol=0, atol=1e-5)


def test_a_spectrum_is_small_normal_noise_that_depends_on_its_key() -> None:
    spectrum = init_spectrum(40, 31, key=jax.random.key(1))
    assert spectrum.shape == (2, 3, 40, 16)
    assert spectrum.dtype == jnp.float32
    assert abs(float(spectrum.mean())) < 4 * 0.01 / spectrum.size**0.5
    assert float(spectrum.std()) == pytest.approx(0.01, rel=0.05)
    again = init_spectrum(40, 31, key=jax.random.key(1))
    np.testing.assert_array_equal(spectrum, again)
    other = init_spectrum(40, 31, key=jax.random.key(2))
    assert abs(np.corrcoef(spectrum.ravel(), other.ravel())[0, 1]) < 0.1


def test_an_initial_image_is_almost_grey() -> None:
    spectrum = init_spectrum(48, 48, key=jax.random.key(0))
    image = np.asarray(spectrum_to_image(spectrum, width=48))
    assert 0.3 < image.min() < image.max() < 0.7
    assert image.mean() == pytest.approx(0.5, abs=0.05)
    assert image.std() > 0.001


@pytest.mark.parametrize("scale", [0, 1, 3])
def test_images_are_inside_the_unit_range(scale: float) -> None:
    spectrum = scale * jax.random.normal(jax.random.key(0), (2, 3, 12, 7))
    image = spectrum_to_image(spectrum, width=12)
    assert bool(((image > 0) & (image < 1)).all())


def test_a_huge_spectrum_stays_finite() -> None:
    image = spectrum_to_image(jnp.full((2, 3, 8, 5), 1e20), width=8)
    assert bool(((image >= 0) & (image <= 1)).all())


@pytest.mark.slow
def test_vmap_and_jit_equal_a_loop() -> None:
    spectra = jax.random.normal(jax.random.key(3), (4, 2, 3, 10, 7))
    to_image = functools.partial(parameterize.spectrum_to_image, width=12)
    loop = np.stack([to_image(spectrum) for spectrum in np.asarray(spectra)])
    np.testing.assert_allclose(jax.vmap(to_image)(spectra), loop, rtol=0, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(to_image))(spectra), loop, rtol=0, atol=1e-6)


def test_the_gain_falls_with_the_frequency_and_is_constant_below_one_cycle() -> None:
    gain = parameterize.frequency_gain(12, 16)
    assert gain.shape == (12, 9)
    assert gain.dtype == np.float32
    side = (12 * 16) ** 0.5
    assert gain[0, 0] == gain[0, 1] == pytest.approx(side * 16)  # one cycle per image at least
    assert gain[0, 8] == pytest.approx(side / 0.5)
    assert gain[6, 8] == pytest.approx(side / 0.5**0.5)
    np.testing.assert_array_equal(gain[1:6], gain[:6:-1])  # up is as good as down
    assert (np.diff(gain[0, 1:]) < 0).all()


def test_the_first_colour_axis_is_nearly_grey() -> None:
    matrix = parameterize.color_correlation()
    assert matrix.dtype == np.float32
    lengths = np.linalg.norm(matrix, axis=0)
    assert lengths[0] == pytest.approx(1)
    assert lengths[0] > lengths[1] > lengths[2]
    np.testing.assert_allclose(matrix[:, 0], 3**-0.5, atol=0.02)


def spread_out(params: Any, seed: int = 0) -> Any:
    """Draw large random parameters of the same structure."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    drawn = [3 * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, drawn)


ALL = [
    Fourier(),
    Fourier(decay=1.5, decorrelate=False),
    Fourier(spectrum=Constant(np.random.default_rng(0).uniform(1, 2, (3, 12, 7)))),
    Pixels(),
    MACO(),
    Alpha(),
    Alpha(color=Pixels()),
]


@pytest.mark.parametrize("each", ALL, ids=str)
@pytest.mark.parametrize("size", [7, 12])
def test_any_parameterization_gives_images_in_range(each: Parameterization, size: int) -> None:
    params, again, other = (init(each, size, key=jax.random.key(seed)) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, params, again)
    same = jax.tree.leaves(jax.tree.map(np.array_equal, params, other))
    assert not any(same)
    channels = 4 if isinstance(each, Alpha) else 3
    for given in (params, spread_out(params)):
        image = np.asarray(develop(each, given, size=size))
        assert image.shape == (size, size, channels)
        assert image.dtype == np.float32
        assert ((image >= 0) & (image <= 1)).all()
        assert image.std() > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("each", ALL, ids=str)
def test_each_parameterization_has_gradients_and_runs_under_jit_and_vmap(
    each: Parameterization,
) -> None:
    first = each.init(10, key=jax.random.key(0))
    params = spread_out(first)
    across = spread_out(first, seed=1)
    weights = jax.random.normal(jax.random.key(2), each.image(params, size=10).shape)

    def score(step: Any) -> jax.Array:
        moved = jax.tree.map(lambda p, a: p + step * a, params, across)
        return jnp.vdot(each.image(moved, size=10), weights)

    steps = jnp.array([1e-3, -1e-3])
    batch = jax.jit(jax.vmap(score))(steps)
    np.testing.assert_allclose(batch, [score(step) for step in steps], rtol=1e-4, atol=1e-4)
    right = float(batch[0] - batch[1]) / 2e-3
    assert abs(right) > 0.01
    gradient = jax.jit(jax.grad(score))(0.0)
    assert float(gradient) == pytest.approx(right, rel=0.02, abs=0.02)


def test_the_default_is_the_plain_spectrum() -> None:
    key = jax.random.key(5)
    for size in (12, 9):
        spectrum = Fourier().init(size, key=key)
        np.testing.assert_array_equal(spectrum, parameterize.init_spectrum(size, size, key=key))
        flat = 0.01 * jax.random.normal(key, (spectrum.size,), jnp.float32)
        np.testing.assert_array_equal(spectrum, flat.reshape(2, 3, size, size // 2 + 1))
        right = spectrum_to_image(spectrum, width=size)
        np.testing.assert_array_equal(develop(Fourier(), spectrum, size=size), right)


def test_the_decay_is_that_of_the_gain() -> None:
    one, two = (parameterize.frequency_gain(10, 10, decay=decay) for decay in (1, 2))
    # One learning rate fits all: at a tenth of a cycle per pixel they agree.
    np.testing.assert_allclose(two, one**2 / 100, rtol=1e-5)
    assert one[1, 0] == two[1, 0] == pytest.approx(100)
    np.testing.assert_array_equal(one, parameterize.frequency_gain(10, 10))
    np.testing.assert_allclose(Fourier(decay=0).gain(10), 100, rtol=1e-6)


@pytest.mark.parametrize("size", [16, 11, 8, 5])
def test_the_gain_given_as_a_spectrum_is_the_gain_on_smaller_canvases_too(size: int) -> None:
    given = Fourier(spectrum=Constant(7 * parameterize.frequency_gain(16, 16)))
    np.testing.assert_allclose(given.gain(size), Fourier().gain(size), rtol=1e-5)


def test_a_spectrum_says_how_strong_each_frequency_is() -> None:
    table = np.zeros((3, 8, 5), np.float32)
    table[1, 2, 3] = 1
    fourier = Fourier(spectrum=Constant(table), decorrelate=False)
    params = 10 * init(fourier, 8, key=jax.random.key(0))
    image = np.asarray(develop(fourier, params, size=8), np.float64)
    found = np.abs(np.fft.rfft2(np.log(image / (1 - image)), axes=(0, 1)))
    assert found[2, 3, 1] > 0.1
    found[2, 3, 1] = 0
    np.testing.assert_allclose(found, 0, atol=1e-3)
    with pytest.raises(ValueError, match="size: expected at most the 8 px of the spectrum, got 9"):
        fourier.image(jnp.zeros((2, 3, 9, 5)), size=9)


@pytest.mark.parametrize("make", [Fourier, Pixels, MACO])
def test_colour_axes_can_be_given_or_omitted(make: Any) -> None:
    matrix = np.random.default_rng(1).uniform(-1, 1, (3, 3))
    params = init(make(), 8, key=jax.random.key(3))
    raw = np.asarray(develop(make(decorrelate=False), params, size=8), np.float64)
    planes = np.log(raw / (1 - raw))
    found = develop(make(colors=Constant(matrix)), params, size=8)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-planes @ matrix.T)), rtol=0, atol=1e-5)
    right = parameterize.planes_to_rgb(jnp.asarray(planes, jnp.float32))
    np.testing.assert_allclose(develop(make(), params, size=8), right, rtol=0, atol=1e-5)


def test_pixels_are_small_normal_noise() -> None:
    params = Pixels(spread=0.02).init(40, key=jax.random.key(1))
    assert params.shape == (40, 40, 3)
    assert float(params.std()) == pytest.approx(0.02, rel=0.05)
    neighbours = np.corrcoef(params[:-1].ravel(), params[1:].ravel())[0, 1]
    assert abs(neighbours) < 0.1


def test_opacity_has_a_spectrum_of_its_own() -> None:
    rng = np.random.default_rng(0)
    color, alpha = (rng.standard_normal((2, n, 8, 5)).astype(np.float32) for n in (3, 1))
    params = {"color": jnp.asarray(color), "alpha": jnp.asarray(alpha)}
    image = np.asarray(develop(Alpha(), params, size=8))
    np.testing.assert_allclose(image[..., :3], plain_image(color, 8), rtol=0, atol=1e-5)
    right = 1 / (1 + np.exp(-plain_planes(alpha, 8)))
    np.testing.assert_allclose(image[..., 3:], right, rtol=0, atol=1e-5)


def test_the_initial_opacity_is_about_a_half() -> None:
    params = init(Alpha(), 32, key=jax.random.key(0))
    assert params["alpha"].shape == (2, 1, 32, 17)
    alpha = np.asarray(develop(Alpha(), params, size=32))[..., 3]
    assert 0.3 < alpha.min() < alpha.max() < 0.7


def test_equal_settings_are_equal_dictionary_keys() -> None:
    def make(scale: float) -> list[Any]:
        table = Constant(scale * parameterize.frequency_gain(6, 6))
        fourier = Fourier(spectrum=table, colors=Constant(np.eye(3)))
        return [fourier, Alpha(color=fourier), MACO(spectrum=table), Pixels(), Fourier()]

    assert make(1) == make(1)
    assert len({*make(1), *make(1)}) == 5
    assert len({*make(1), *make(2)}) == 8


@pytest.mark.parametrize(
    ("make", "wrong", "message"),
    [
        (Fourier, {"spread": 0}, "spread: expected a number above 0, got 0"),
        (Pixels, {"spread": math.nan}, "spread: expected a number above 0, got nan"),
        (Alpha, {"spread": -1}, "spread: expected a number above 0, got -1"),
        (Fourier, {"decay": -1}, "decay: expected a number of at least 0, got -1"),
        (MACO, {"decay": (1, 2)}, r"decay: expected 3 numbers of at least 0, got \(1, 2\)"),
        (MACO, {"decay": (1, 2, math.inf)}, "decay: expected 3 numbers of at least 0, got"),
        (MACO, {"contrast": 0}, "contrast: expected a number above 0, got 0"),
        (Fourier, {"spectrum": Constant(np.ones((4, 4)))}, r"spectrum: .* got \(4, 4\)"),
        (Fourier, {"spectrum": Constant(np.ones((2, 4, 3)))}, r"spectrum: .* got \(2, 4, 3\)"),
        (Fourier, {"spectrum": Constant(np.ones(3))}, r"spectrum: .* got \(3,\)"),
        (MACO, {"spectrum": Constant(np.zeros((4, 3)))}, "spectrum: expected finite magnitudes"),
        (MACO, {"spectrum": Constant(-np.ones((4, 3)))}, "spectrum: expected finite magnitudes"),
        (Fourier, {"spectrum": Constant(np.ones((4, 3))), "decay": 2}, "decay: .*spectrum, got 2"),
        (Pixels, {"colors": Constant(np.ones((3, 2)))}, r"colors: .*, got shape \(3, 2\)"),
        (MACO, {"colors": Constant(np.full((3, 3), np.nan))}, "colors: expected .* finite"),
        (Fourier, {"colors": Constant(np.eye(3)), "decorrelate": False}, "decorrelate: .*False"),
        (Alpha, {"color": Alpha()}, "color: expected a parameterization without opacity"),
    ],
)
def test_invalid_settings_are_refused(make: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**wrong)
