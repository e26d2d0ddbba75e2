"""Statistics of images: they recover how images were generated."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from jatlas.visualize import (
    MACO,
    Constant,
    Fourier,
    color_correlation,
    color_correlation_of,
    magnitude_spectrum,
)

HostArray = np.ndarray


def colored(matrix: HostArray, count: int = 40, side: int = 30) -> HostArray:
    """Images whose colours vary along the columns of a matrix, each by its length."""
    rng = np.random.default_rng(0)
    return 0.5 + 0.05 * rng.standard_normal((count, side, side, 3)) @ matrix.T


def test_the_matrix_that_generated_the_colours_is_recovered() -> None:
    # The columns of a root of a covariance are perpendicular where they are principal axes.
    axes = np.linalg.qr(np.array([[1.0, 1, 2], [1, 0, -1], [1, -1, 0.5]]))[0]
    axes *= np.where(axes[0] < 0, -1, 1)
    right = axes * [1, 0.4, 0.15]
    found = np.asarray(color_correlation_of(colored(right)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, right, rtol=0, atol=0.02)


def test_colours_are_decorrelated_by_its_inverse() -> None:
    images = colored(np.random.default_rng(3).uniform(0, 1, (3, 3))).astype(np.float32)
    matrix = np.asarray(color_correlation_of(images), np.float64)
    assert np.linalg.norm(matrix, axis=0) == pytest.approx(
        np.sort(np.linalg.norm(matrix, axis=0))[::-1]
    )
    assert np.linalg.norm(matrix[:, 0]) == pytest.approx(1)
    planes = (images - images.mean((0, 1, 2))).reshape(-1, 3) @ np.linalg.inv(matrix).T
    covariance = np.cov(planes.T)
    np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(3), rtol=0, atol=1e-3)


@pytest.mark.parametrize("taper", [True, False])
def test_magnitudes_are_those_of_plain_numpy(taper: bool) -> None:
    images = np.random.default_rng(1).uniform(0, 1, (3, 11, 8, 3)).astype(np.float32)
    found = np.asarray(magnitude_spectrum(images, size=6, taper=taper))
    assert found.shape == (3, 6, 4)
    inverse = np.linalg.inv(color_correlation().astype(np.float64))
    middle = images[:, 2:8, 1:7].astype(np.float64)
    middle -= middle.mean((0, 1, 2))
    right = np.zeros((3, 6, 4))
    for image in middle:
        for axis in range(3):
            plane = sum(inverse[axis, c] * image[..., c] for c in range(3))
            for place in np.ndindex(6, 6) if taper else ():
                turns = [2 * np.pi * (step + 0.5) / 6 for step in place]
                plane[place] *= np.prod([(1 - np.cos(turn)) / 2 for turn in turns])
            right[axis] += np.abs(np.fft.fft2(plane)[:, :4]) / 3
    np.testing.assert_allclose(found, right, rtol=1e-4)
    twice = Constant(2 * color_correlation())
    own = np.asarray(magnitude_spectrum(images, size=6, colors=twice, taper=taper))
    np.testing.assert_allclose(own, right / 2, rtol=1e-4)


@pytest.mark.parametrize("size", [9, 12])
def test_the_magnitude_of_maco_is_recovered_from_its_images(size: int) -> None:
    # At low contrast the sigmoid is linear with slope 1 / 4.
    maco = MACO(contrast=0.01)
    keys = jax.random.split(jax.random.key(0), 3)
    draw = jax.jit(jax.vmap(lambda key: maco.image(maco.init(size, key=key), size=size)))
    images = draw(keys)
    found = magnitude_spectrum(images, size=size, taper=False)
    np.testing.assert_allclose(found, maco.magnitude(size) / 4, rtol=0.02, atol=1e-3)
    again = MACO(contrast=0.01, spectrum=found).magnitude(size)
    np.testing.assert_allclose(again, maco.magnitude(size), rtol=0.02, atol=2e-3)


def test_the_results_are_values_of_settings() -> None:
    images = np.random.default_rng(1).uniform(0, 1, (3, 11, 11, 3)).astype(np.float32)

    def make() -> Fourier:
        colors = color_correlation_of(images)
        return Fourier(spectrum=magnitude_spectrum(images, size=10, colors=colors), colors=colors)

    assert make() == make() and hash(make()) == hash(make())
    draw = jax.jit(lambda key: make().image(make().init(10, key=key), size=10))
    image = np.asarray(draw(jax.random.key(0)))
    assert 0 < image.min() < image.max() < 1


def test_statistics_of_photographs_agree_with_lucid_and_the_literature(test_data: Path) -> None:
    images = []
    for file in sorted((test_data / "imagenet_sample").glob("*.jpg"))[::7]:
        picture = np.asarray(Image.open(file).convert("RGB").resize((96, 96)), np.float32) / 255
        images.append(picture)
    table = np.stack(images)
    found = np.asarray(color_correlation_of(table))
    cosines = (found * color_correlation()).sum(0) / np.linalg.norm(found, axis=0)
    cosines /= np.linalg.norm(color_correlation(), axis=0)
    assert cosines[0] > 0.99
    assert cosines[1:].min() > 0.9
    measured = np.asarray(magnitude_spectrum(table, size=96))
    frequency = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.rfftfreq(96)[None, :])
    middle = (frequency > 0.03) & (frequency < 0.4)
    slopes = [
        np.polyfit(np.log(frequency[middle]), np.log(plane[middle]), 1)[0] for plane in measured
    ]
    assert -1.5 < slopes[0] < -0.8
    assert max(slopes[1:]) < slopes[0]  # colour is coarser than brightness


def test_tapering_removes_the_jump_between_opposite_edges() -> None:
    ramp = np.linspace(0, 1, 32, dtype=np.float32)
    images = np.broadcast_to(ramp[None, :, None, None], (1, 32, 32, 3))
    tapered, plain = (
        np.asarray(magnitude_spectrum(images, size=32, taper=taper))[0, :17, 0]
        for taper in (True, False)
    )
    assert tapered[8:].sum() / tapered.sum() < 0.1 * plain[8:].sum() / plain.sum()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((4, 4, 3)), r"images: expected \(n, h, w, 3\), got \(4, 4, 3\)"),
        (np.zeros((2, 4, 4, 1)), r"images: expected \(n, h, w, 3\), got"),
        (np.zeros((0, 4, 4, 3)), r"images: expected \(n, h, w, 3\), got"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"images: expected RGB in \[0, 1\], got uint8"),
    ],
)
def test_anything_but_a_batch_of_images_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        magnitude_spectrum(wrong, size=2)
    with pytest.raises(ValueError, match=message):
        color_correlation_of(wrong)


def test_invalid_arguments_are_refused() -> None:
    flat = np.full((2, 5, 4, 3), 0.3)
    with pytest.raises(ValueError, match="size: expected 1 to 4 px, got 5"):
        magnitude_spectrum(flat, size=5)
    with pytest.raises(ValueError, match="images: expected more than one colour"):
        color_correlation_of(flat)
    with pytest.raises(ValueError, match="colors: expected an invertible matrix"):
        magnitude_spectrum(flat, size=2, colors=Constant(np.ones((3, 3))))
