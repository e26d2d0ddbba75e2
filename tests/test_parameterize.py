"""The Fourier parameterization against lucid's own code and against plain NumPy."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.visualize import parameterize

HostArray = np.ndarray


@pytest.mark.parametrize(("height", "width"), [(80, 80), (64, 96)])
def test_images_are_those_of_lucid(test_data: Path, height: int, width: int) -> None:
    with np.load(test_data / "inception5h" / "golden_lucid.npz") as golden:
        spectra = golden[f"spectrum_{height}x{width}"]
        raw, rgb = golden[f"raw_{height}x{width}"], golden[f"rgb_{height}x{width}"]
    assert spectra.shape[1] == len(raw) == len(rgb) == 2
    for b in range(2):
        spectrum = jnp.asarray(spectra[:, b])
        planes = parameterize.spectrum_to_planes(spectrum, width=width)
        np.testing.assert_allclose(planes, raw[b], rtol=0, atol=1e-6)
        np.testing.assert_allclose(parameterize.planes_to_rgb(raw[b]), rgb[b], rtol=0, atol=1e-6)
        image = parameterize.spectrum_to_image(spectrum, width=width)
        np.testing.assert_allclose(image, rgb[b], rtol=0, atol=1e-6)
    assert raw.std() > 0.05 and rgb.std() > 0.01  # else nothing above was compared


def plain_image(spectrum: HostArray, width: int) -> HostArray:
    """Compute the image in double precision, frequency by frequency, as the paper says it."""
    height = spectrum.shape[2]
    scaled = np.empty(spectrum.shape[1:], np.complex128)
    for row in range(height):
        vertical = min(row, height - row) / height
        for column in range(width // 2 + 1):
            frequency = np.sqrt(vertical**2 + (column / width) ** 2)
            gain = np.sqrt(height * width) / max(frequency, 1 / max(height, width))
            scaled[:, row, column] = gain * (spectrum[0] + 1j * spectrum[1])[:, row, column]
    planes = np.stack([np.fft.irfft2(plane, s=(height, width)) for plane in scaled], -1) / 4
    root = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    root /= np.sqrt((root**2).sum(0)).max()
    return 1 / (1 + np.exp(-np.einsum("hwc,rc->hwr", planes, root)))


@pytest.mark.parametrize(("height", "width"), [(7, 9), (9, 6), (6, 9), (8, 8), (5, 1), (1, 5)])
def test_images_are_those_of_plain_numpy_for_odd_sizes_too(height: int, width: int) -> None:
    shape = (2, 3, height, width // 2 + 1)
    spectrum = np.random.default_rng(height).standard_normal(shape).astype(np.float32)
    found = parameterize.spectrum_to_image(jnp.asarray(spectrum), width=width)
    assert found.shape == (height, width, 3)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, plain_image(spectrum, width), rtol=0, atol=1e-5)


def test_a_spectrum_is_small_normal_noise_and_hangs_on_its_key() -> None:
    spectrum = parameterize.init_spectrum(40, 31, key=jax.random.key(1))
    assert spectrum.shape == (2, 3, 40, 16)
    assert spectrum.dtype == jnp.float32
    assert abs(float(spectrum.mean())) < 4 * 0.01 / spectrum.size**0.5
    assert float(spectrum.std()) == pytest.approx(0.01, rel=0.05)
    again = parameterize.init_spectrum(40, 31, key=jax.random.key(1))
    np.testing.assert_array_equal(spectrum, again)
    other = parameterize.init_spectrum(40, 31, key=jax.random.key(2))
    assert abs(np.corrcoef(spectrum.ravel(), other.ravel())[0, 1]) < 0.1


def test_a_fresh_image_is_almost_grey() -> None:
    spectrum = parameterize.init_spectrum(48, 48, key=jax.random.key(0))
    image = np.asarray(parameterize.spectrum_to_image(spectrum, width=48))
    assert 0.3 < image.min() < image.max() < 0.7
    assert image.mean() == pytest.approx(0.5, abs=0.05)
    assert image.std() > 0.001


@pytest.mark.parametrize("scale", [0, 1, 3])
def test_images_are_inside_the_unit_range(scale: float) -> None:
    spectrum = scale * jax.random.normal(jax.random.key(0), (2, 3, 12, 7))
    image = parameterize.spectrum_to_image(spectrum, width=12)
    assert bool(((image > 0) & (image < 1)).all())


def test_a_huge_spectrum_stays_finite() -> None:
    image = parameterize.spectrum_to_image(jnp.full((2, 3, 8, 5), 1e20), width=8)
    assert bool(((image >= 0) & (image <= 1)).all())


def test_vmap_and_jit_equal_a_loop() -> None:
    spectra = jax.random.normal(jax.random.key(3), (4, 2, 3, 10, 7))
    to_image = functools.partial(parameterize.spectrum_to_image, width=12)
    loop = jnp.stack([to_image(spectrum) for spectrum in spectra])
    np.testing.assert_allclose(jax.vmap(to_image)(spectra), loop, rtol=0, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(to_image))(spectra), loop, rtol=0, atol=1e-6)


def test_the_gain_falls_with_the_frequency_and_is_level_at_its_start() -> None:
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
