"""The same picture on another canvas."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.visualize.constant import Constant
from jatlas.visualize.parameterize import Fourier, spectrum_to_planes
from jatlas.visualize.resize import resize_spectrum

HostArray = np.ndarray


def draw(size: int, channels: int = 3) -> jax.Array:
    return jax.random.normal(jax.random.key(size), (2, channels, size, size // 2 + 1))


def planes(spectrum: jax.Array, fourier: Fourier) -> HostArray:
    size = spectrum.shape[-2]
    return np.asarray(spectrum_to_planes(spectrum, width=size, gain=fourier.gain(size)))


@pytest.mark.parametrize(("size", "times"), [(4, 2), (5, 2), (6, 3), (7, 3), (8, 1), (9, 1)])
@pytest.mark.parametrize(
    "fourier",
    [Fourier(), Fourier(decay=1.5), Fourier(spectrum=Constant(np.ones((32, 17))))],
    ids=["lucid", "steeper", "measured"],
)
def test_coarse_pixels_stay_on_a_canvas_that_is_a_multiple(
    size: int, times: int, fourier: Fourier
) -> None:
    spectrum = draw(size)
    larger = resize_spectrum(spectrum, times * size, fourier=fourier)
    assert larger.shape == (2, 3, times * size, times * size // 2 + 1)
    found, right = planes(larger, fourier), planes(spectrum, fourier)
    assert right.std() > 0.1
    np.testing.assert_allclose(found[::times, ::times], right, rtol=0, atol=1e-4)


def waves(size: int) -> HostArray:
    """A picture of frequencies below 2.5 cycles, at the pixels of any canvas: (size, size, 1)."""
    y, x = np.arange(size)[:, None] / size, np.arange(size)[None, :] / size
    total = 0.3 + np.cos(2 * np.pi * (y + 2 * x) + 0.4) + 0.5 * np.sin(2 * np.pi * (2 * y - x))
    return (total + 0.7 * np.cos(2 * np.pi * 2 * y + 1) + 0.2 * np.sin(2 * np.pi * x))[..., None]


@pytest.mark.parametrize("old", [5, 6, 7, 12])
@pytest.mark.parametrize("new", [5, 6, 9, 16, 23])
def test_a_picture_of_low_frequencies_is_itself_on_any_canvas(old: int, new: int) -> None:
    gain = Fourier().gain(old)
    entries = np.fft.rfft2(waves(old)[..., 0]) / gain / 0.25
    spectrum = jnp.asarray(np.stack([entries.real, entries.imag])[:, None], jnp.float32)
    found = planes(resize_spectrum(spectrum, new), Fourier())
    np.testing.assert_allclose(found, waves(new), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("size", "larger"), [(6, 7), (6, 16), (7, 8), (7, 15), (9, 9), (8, 8)])
def test_there_and_back_is_the_same_picture(size: int, larger: int) -> None:
    spectrum = draw(size)
    back = resize_spectrum(resize_spectrum(spectrum, larger), size)
    right = planes(spectrum, Fourier())
    np.testing.assert_allclose(planes(back, Fourier()), right, rtol=0, atol=1e-4)


def test_most_parameters_are_carried_over_as_they_are() -> None:
    spectrum = draw(8)
    found = resize_spectrum(spectrum, 20)
    np.testing.assert_allclose(found[:, :, :4, 1:4], spectrum[:, :, :4, 1:4], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[:, :, -3:, 1:4], spectrum[:, :, -3:, 1:4], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[:, :, 5:-4], 0, atol=1e-5)
    np.testing.assert_allclose(found[..., 5:], 0, atol=1e-5)


def test_a_larger_canvas_has_no_more_energy_and_a_smaller_one_less() -> None:
    spectrum = draw(11)
    right = planes(spectrum, Fourier())
    energy = np.square(right).mean()
    up, down = (planes(resize_spectrum(spectrum, size), Fourier()) for size in (25, 4))
    assert np.square(up).mean() == pytest.approx(energy, rel=1e-4)
    assert np.square(down).mean() < 0.99 * energy
    np.testing.assert_allclose(down.mean((0, 1)), right.mean((0, 1)), rtol=0, atol=1e-4)


def test_vmap_and_jit_equal_a_loop_for_any_number_of_planes() -> None:
    spectra = jnp.stack([draw(6, 1), 2 * draw(6, 1)])
    run = functools.partial(resize_spectrum, size=9)
    loop = [run(spectrum) for spectrum in spectra]
    np.testing.assert_allclose(jax.jit(jax.vmap(run))(spectra), loop, rtol=0, atol=1e-4)


def test_frequencies_without_gain_get_nothing() -> None:
    table = np.ones((16, 9))
    table[0, 0] = 0
    fourier = Fourier(spectrum=Constant(table))
    found = resize_spectrum(draw(8), 12, fourier=fourier)
    assert bool(jnp.isfinite(found).all())
    right = planes(draw(8), fourier)
    np.testing.assert_allclose(planes(found, fourier)[::3, ::3], right[::2, ::2], atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (3, 3, 8, 5), (2, 8, 5)])
def test_what_is_no_square_spectrum_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="spectrum: expected"):
        resize_spectrum(jnp.zeros(shape), 4)
    with pytest.raises(ValueError, match="size: expected at least 1 pixel, got 0"):
        resize_spectrum(draw(4), 0)
