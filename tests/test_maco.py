"""MACO: magnitudes are fixed for any phases."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.visualize import MACO, Constant

HostArray = np.ndarray


def transform(maco: MACO, size: int, seed: int, scale: float = 1.0) -> HostArray:
    """The half Fourier transform of the planes of random phases: (3, size, size // 2 + 1)."""
    planes = np.asarray(_planes(maco, size, jax.random.key(seed), scale), np.float64)
    return np.moveaxis(np.fft.rfft2(planes, axes=(0, 1)), -1, 0)


@functools.partial(jax.jit, static_argnums=(0, 1))  # one program instead of twenty
def _planes(maco: MACO, size: int, key: jax.Array, scale: float = 1.0) -> jax.Array:
    return maco.planes(scale * maco.init(size, key=key), size=size)


@pytest.mark.parametrize("size", [2, 3, 9, 12])
def test_magnitudes_are_fixed_for_any_phases(size: int) -> None:
    table = np.random.default_rng(size).uniform(1, 3, (3, size, size // 2 + 1))
    # A real image has equal magnitudes at conjugate frequencies.
    mirror = -np.arange(size) % size
    table[:, :, [0, -1]] = np.maximum(table, table[:, mirror])[:, :, [0, -1]]
    for maco in (MACO(), MACO(spectrum=Constant(table))):
        for seed, scale in ((0, 1), (1, 1), (2, 40)):
            found = np.abs(transform(maco, size, seed, scale))
            np.testing.assert_allclose(found, maco.magnitude(size), rtol=1e-3, atol=1e-4)


def test_a_measured_spectrum_keeps_its_shape() -> None:
    table = np.random.default_rng(0).uniform(1, 3, (3, 9, 5))
    found = MACO(spectrum=Constant(table)).magnitude(9)
    assert not found[:, 0, 0].any()
    ratio = (found / table).reshape(3, -1)[:, 1:]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)


def test_the_default_magnitude_falls_as_a_power_of_the_frequency() -> None:
    decays = (0.8, 1.2, 2.0)
    found = MACO(decay=decays).magnitude(32)
    for plane, decay in zip(found, decays, strict=True):
        assert plane[0, 4] / plane[0, 8] == pytest.approx(2**decay, rel=1e-5)
        assert plane[3, 4] / plane[0, 10] == pytest.approx(2**decay, rel=1e-5)
    planes = np.asarray(_planes(MACO(), 32, jax.random.key(0)))
    np.testing.assert_allclose(planes.std((0, 1)), 1, rtol=1e-4)


@pytest.mark.parametrize("size", [7, 12])
@pytest.mark.parametrize("contrast", [0.5, 1.0])
def test_planes_have_mean_zero_and_the_contrast(size: int, contrast: float) -> None:
    table = np.random.default_rng(1).uniform(1, 3, (3, size, size // 2 + 1))
    table[:, :, [0, -1]] = 2
    for maco in (MACO(contrast=contrast), MACO(contrast=contrast, spectrum=Constant(table))):
        planes = np.asarray(_planes(maco, size, jax.random.key(4)))
        np.testing.assert_allclose(planes.mean((0, 1)), 0, atol=1e-6)
        assert planes.std() == pytest.approx(contrast, rel=1e-4)


def test_linear_phases_shift_the_image() -> None:
    # A shift of the image is a phase proportional to the frequency.
    size, maco = 12, MACO()
    params = maco.init(size, key=jax.random.key(0))
    down, right = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    turned = np.broadcast_to(2 * np.pi * (2 * down + 3 * right), (3, size, size // 2 + 1)).copy()
    turned[..., [0, -1]] /= 2  # there the phase of the mirrored frequency counts as well
    moved = maco.planes(params - jnp.asarray(turned, jnp.float32), size=size)
    found = np.moveaxis(np.fft.rfft2(np.asarray(moved), axes=(0, 1)), -1, 0)
    shifted = np.roll(np.asarray(maco.planes(params, size=size)), (2, 3), axis=(0, 1))
    right = np.moveaxis(np.fft.rfft2(shifted, axes=(0, 1)), -1, 0)
    # The column of the highest frequency down is its own mirror image and cannot be shifted.
    np.testing.assert_allclose(found[:, :, 1:-1], right[:, :, 1:-1], rtol=0, atol=1e-3)


def test_initial_phases_are_uniform_on_the_circle() -> None:
    phases = np.asarray(MACO().init(40, key=jax.random.key(0)))
    assert phases.shape == (3, 40, 21)
    assert abs(np.exp(1j * phases).mean()) < 0.05
    assert -np.pi <= phases.min() < -3.1 and 3.1 < phases.max() <= np.pi
    # No corner is brighter than the rest.
    energy = np.zeros((40, 40))
    for seed in range(20):
        energy += np.square(np.asarray(_planes(MACO(), 40, jax.random.key(seed)))).sum(-1)
    assert energy.max() < 3 * energy.mean()


def test_an_image_of_one_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="size: expected an image that can vary, got 1 px"):
        MACO().image(jnp.zeros((3, 1, 1)), size=1)
