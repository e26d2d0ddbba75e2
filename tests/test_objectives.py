"""The objective against lucid's own code, and where it must not break."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.visualize.objectives import Direction, cosine


@pytest.mark.parametrize("power", [0, 1, 2, 4])
def test_scores_are_those_of_lucid(test_data: Path, power: int) -> None:
    with np.load(test_data / "inception5h" / "golden_lucid.npz") as golden:
        act, vec, right = golden["act"], golden["vec"], golden[f"dot_cossim_p{power}"]
    found = jax.vmap(Direction(power=power))(act, vec)
    np.testing.assert_allclose(found, right, rtol=1e-5)
    assert np.ptp(right) > 0.1 * right.mean()


@pytest.mark.parametrize("power", [0.5, 1, 2, 4])
def test_the_cosine_counts_as_at_least_a_tenth(power: float) -> None:
    rng = np.random.default_rng(5)
    direction = rng.standard_normal(20)
    across = rng.standard_normal(20)
    across -= direction * (across @ direction) / (direction @ direction)
    across *= np.linalg.norm(direction) / np.linalg.norm(across)
    for aligned in (-1, -0.3, 0.02, 0.09, 0.11, 0.5, 1):
        act = 3 * (aligned * direction + (1 - aligned**2) ** 0.5 * across)
        right = act @ direction * max(0.1, aligned) ** power
        found = Direction(power=power)(act.astype(np.float32), direction.astype(np.float32))
        assert float(found) == pytest.approx(right, rel=2e-3), aligned


@pytest.mark.parametrize("power", [0, 0.5, 1, 2, 4])
@pytest.mark.parametrize("direction", [np.ones(6), np.zeros(6), np.arange(6) - 2.0])
def test_a_dead_start_has_a_finite_value_and_slope(power: float, direction: np.ndarray) -> None:
    score = Direction(power=power)
    direction = direction.astype(np.float32)
    value, slope = jax.value_and_grad(score)(jnp.zeros(6), direction)
    assert float(value) == 0
    assert bool(jnp.isfinite(slope).all())
    # Away from zero the slope must not be lost: it points along the direction.
    floor = 0.1**power
    np.testing.assert_allclose(slope, floor * direction, rtol=1e-4, atol=1e-6)


def test_the_slope_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    direction, act = rng.standard_normal((2, 8))
    act += direction  # well above the floor

    def plain(act: np.ndarray, power: float) -> float:
        dot = act @ direction
        return dot * (dot / np.linalg.norm(act) / np.linalg.norm(direction)) ** power

    for power in (0.0, 1.0, 2.5):
        assert act @ direction / np.linalg.norm(act) / np.linalg.norm(direction) > 0.2
        slope = jax.grad(Direction(power=power))(
            jnp.asarray(act, jnp.float32), direction.astype(np.float32)
        )
        steps = 1e-5 * np.eye(8)
        right = [(plain(act + h, power) - plain(act - h, power)) / 2e-5 for h in steps]
        np.testing.assert_allclose(slope, right, rtol=1e-3, atol=1e-3)


def test_power_rewards_pointing_the_right_way() -> None:
    direction = jnp.array([1.0, 0, 0])
    straight, strong = jnp.array([1.0, 0, 0]), jnp.array([1.5, 2, 0])
    assert Direction()(strong, direction) > Direction()(straight, direction)
    assert Direction(power=2)(strong, direction) < Direction(power=2)(straight, direction)


def test_the_opposite_direction_counts_as_the_floor() -> None:
    direction = jnp.array([3.0, 4.0])
    assert float(Direction(power=2)(-direction, direction)) == pytest.approx(-25 * 0.1**2)


@pytest.mark.parametrize("power", [-1, -1e-9, float("nan"), float("inf")])
def test_a_wrong_power_is_refused(power: float) -> None:
    with pytest.raises(ValueError, match=rf"power: expected .*, got {power}$"):
        Direction(power=power)


def test_cosine() -> None:
    rng = np.random.default_rng(1)
    for a, b in rng.standard_normal((20, 2, 5)):
        right = a @ b / np.sqrt((a @ a) * (b @ b))
        found = cosine(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32))
        assert float(found) == pytest.approx(right, abs=1e-6)
        scaled = cosine(jnp.asarray(1e6 * a, jnp.float32), jnp.asarray(1e-6 * b, jnp.float32))
        assert float(scaled) == pytest.approx(right, abs=1e-6)


def test_the_cosine_of_nothing_is_zero() -> None:
    zero, one = jnp.zeros(3), jnp.ones(3)
    assert [float(cosine(*pair)) for pair in ((zero, one), (one, zero), (zero, zero))] == [0, 0, 0]
