"""Objectives against lucid's own code, plain NumPy and finite differences."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jatlas.visualize import (
    L1,
    Channel,
    Direction,
    Diversity,
    LucidNotebook,
    Neuron,
    Objective,
    ObjectiveInput,
    Scaled,
    Sum,
    TotalVariation,
    cosine,
)
from jatlas.visualize._objectives import GROUP

HostArray = np.ndarray
IMAGE = np.random.default_rng(2).uniform(0, 1, (6, 6, 3)).astype(np.float32)


def given(activation: Any) -> ObjectiveInput:
    return ObjectiveInput(jnp.asarray(activation, jnp.float32), jnp.asarray(IMAGE))


@functools.partial(jax.jit, static_argnums=0)  # one program instead of twenty
def score(objective: Objective, activation: Any, target: Any) -> jax.Array:
    return objective(given(activation), jnp.asarray(target))


def at(objective: Objective, activation: Any, target: Any) -> jax.Array:
    """Score an activation (channels,) that is all there is."""
    return score(objective, activation[None, None], target)


def draw(*shape: int, seed: int = 0) -> HostArray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("power", [0, 1, 2, 4])
def test_scores_are_those_of_lucid(power: int) -> None:
    with np.load(Path(__file__).parent / "golden" / "lucid.npz") as golden:
        act, vec, right = golden["act"], golden["vec"], golden[f"dot_cossim_p{power}"]
    scores = jax.vmap(functools.partial(at, Direction(power=power)))(act, vec)
    # lucid adds 1e-4 to the length of the direction, which matters for short ones.
    length = np.linalg.norm(vec, axis=1)
    np.testing.assert_allclose(scores, right * (1 + 1e-4 / length) ** power, rtol=1e-5)
    assert np.ptp(right) > 0.1 * right.mean()


@pytest.mark.parametrize("scale", [1e-30, 1e-5, 1.0, 1e5])
def test_the_cosine_does_not_depend_on_the_length_of_the_direction(scale: float) -> None:
    """Whitened directions of networks with large activations are that short."""
    activation = np.abs(draw(12))
    direction = activation + 0.5 * draw(12, seed=1)
    for objective in (Direction(power=1), Direction(power=4)):
        plain = float(at(objective, activation, direction))
        scaled = float(at(objective, activation, np.float32(scale) * direction))
        assert scaled == pytest.approx(scale * plain, rel=1e-5)
    unit = direction / np.linalg.norm(direction)
    assert float(at(Direction(power=1), unit, 1e-5 * unit)) == pytest.approx(1e-5, rel=1e-3)


def test_what_is_compared_with_a_direction_is_what_the_objective_looks_at() -> None:
    act = draw(4, 5, 7)
    for objective, expected in [
        (Direction(), act[2, 2]),
        (Neuron(), act[2, 2]),
        (Neuron(position=(3, 1)), act[3, 1]),
        (Neuron(position=(6, 1)), act[3, 1]),  # the nearest
        (Channel(), act.mean((0, 1))),
        (-2 * Channel(), act.mean((0, 1))),
        (L1() + 2 * Neuron(position=(0, 4)) - Channel(), act[0, 4]),
        (Diversity() + L1(), act[2, 2]),
    ]:
        np.testing.assert_allclose(objective.vector(jnp.asarray(act)), expected, rtol=1e-5)


@pytest.mark.parametrize("power", [0.5, 1, 2, 4])
def test_the_cosine_is_clipped_to_at_least_a_tenth(power: float) -> None:
    rng = np.random.default_rng(5)
    direction = rng.standard_normal(20)
    across = rng.standard_normal(20)
    across -= direction * (across @ direction) / (direction @ direction)
    across *= np.linalg.norm(direction) / np.linalg.norm(across)
    for aligned in (-1, -0.3, 0.02, 0.09, 0.11, 0.5, 1):
        act = 3 * (aligned * direction + (1 - aligned**2) ** 0.5 * across)
        right = act @ direction * max(0.1, aligned) ** power
        found = at(Direction(power=power), act, direction.astype(np.float32))
        assert float(found) == pytest.approx(right, rel=2e-3), aligned


@pytest.mark.parametrize("power", [0, 0.5, 1, 2, 4])
@pytest.mark.parametrize("direction", [np.ones(6), np.zeros(6), np.arange(6) - 2.0])
def test_an_icon_that_activates_nothing_has_a_finite_score_and_gradient(
    power: float, direction: np.ndarray
) -> None:
    one = functools.partial(at, Direction(power=power))
    direction = direction.astype(np.float32)
    value, gradient = jax.jit(jax.value_and_grad(one))(np.zeros(6, np.float32), direction)
    assert float(value) == 0
    assert np.isfinite(gradient).all()
    # The gradient points along the direction.
    floor = 0.1**power
    np.testing.assert_allclose(gradient, floor * direction, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    direction, act = rng.standard_normal((2, 8))
    act += direction  # well above the floor

    def plain(act: np.ndarray, power: float) -> float:
        dot = act @ direction
        return dot * (dot / np.linalg.norm(act) / np.linalg.norm(direction)) ** power

    for power in (0.0, 1.0, 2.5):
        assert act @ direction / np.linalg.norm(act) / np.linalg.norm(direction) > 0.2
        gradient = jax.jit(jax.grad(functools.partial(at, Direction(power=power))))(
            act.astype(np.float32), direction.astype(np.float32)
        )
        steps = 1e-5 * np.eye(8)
        right = [(plain(act + h, power) - plain(act - h, power)) / 2e-5 for h in steps]
        np.testing.assert_allclose(gradient, right, rtol=1e-3, atol=1e-3)


def test_power_rewards_the_right_direction() -> None:
    direction = jnp.array([1.0, 0, 0])
    straight, strong = jnp.array([1.0, 0, 0]), jnp.array([1.5, 2, 0])
    dot, aligned = Direction(), Direction(power=2)
    assert at(dot, strong, direction) > at(dot, straight, direction)
    assert at(aligned, strong, direction) < at(aligned, straight, direction)


def test_the_cosine_of_the_opposite_direction_is_the_floor() -> None:
    direction = jnp.array([3.0, 4.0])
    assert float(at(Direction(power=2), -direction, direction)) == pytest.approx(-25 * 0.1**2)


@pytest.mark.parametrize("power", [-1, -1e-9, float("nan"), float("inf")])
@pytest.mark.parametrize("objective", [Direction, LucidNotebook])
def test_an_invalid_power_is_refused(objective: type, power: float) -> None:
    with pytest.raises(ValueError, match=rf"power: expected .*, got {power}$"):
        objective(power=power)


def test_cosine() -> None:
    rng = np.random.default_rng(1)
    for a, b in rng.standard_normal((20, 2, 5)):
        right = a @ b / np.sqrt((a @ a) * (b @ b))
        found = cosine(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32))
        assert float(found) == pytest.approx(right, abs=1e-6)
        scaled = cosine(jnp.asarray(1e6 * a, jnp.float32), jnp.asarray(1e-6 * b, jnp.float32))
        assert float(scaled) == pytest.approx(right, abs=1e-6)


def test_the_cosine_of_zero_is_zero() -> None:
    zero, one = jnp.zeros(3), jnp.ones(3)
    assert [float(cosine(*pair)) for pair in ((zero, one), (one, zero), (zero, zero))] == [0, 0, 0]


@pytest.mark.parametrize("shape", [(1, 1, 4), (3, 3, 4), (4, 2, 4), (5, 4, 4)])
def test_directions_use_the_centre_or_the_position_after_it(shape: tuple[int, ...]) -> None:
    act, target = draw(*shape), draw(4, seed=1)
    middle = act[shape[0] // 2, shape[1] // 2]
    for objective in (Direction(), Direction(power=2), LucidNotebook(power=1)):
        assert score(objective, act, target) == at(objective, middle, target)
        gradient = np.asarray(jax.jit(jax.grad(functools.partial(score, objective)))(act, target))
        assert np.abs(gradient[shape[0] // 2, shape[1] // 2]).min() > 0
        assert (gradient != 0).sum() == 4


@pytest.mark.parametrize("power", [0, 1, 2, 4])
def test_the_objective_of_the_notebooks_ignores_the_length_of_the_direction(
    power: int,
) -> None:
    rng = np.random.default_rng(4)
    for strength in (0.01, 1, 30):
        act, direction = rng.uniform(0, 1, (2, 12))
        direction *= strength
        dot = (act * direction).mean()
        right = dot * max(0.1, dot / (1e-4 + np.linalg.norm(act))) ** power
        found = at(LucidNotebook(power=power), act, direction.astype(np.float32))
        assert float(found) == pytest.approx(right, rel=1e-3)


def test_whitened_directions_are_below_the_floor_of_the_notebooks() -> None:
    act, direction = np.abs(draw(512)), 1e-2 * draw(512, seed=1)
    found = at(LucidNotebook(), act, direction)
    assert float(found) == pytest.approx(float(at(Direction(), act, direction)) / 512 / 1e4)


def test_channels_and_neurons() -> None:
    act = draw(4, 5, 7)
    for channel in range(7):
        mean = act[..., channel].mean()
        assert float(score(Channel(), act, channel)) == pytest.approx(mean, 1e-5)
        assert score(Neuron(), act, channel) == act[2, 2, channel]
        assert score(Neuron(position=(3, 1)), act, channel) == act[3, 1, channel]
    batch = jax.vmap(Channel(), in_axes=(None, 0))(given(act), jnp.arange(7))
    np.testing.assert_allclose(batch, act.mean((0, 1)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "objective",
    [
        Direction(power=1),
        LucidNotebook(power=2),
        Channel(),
        Neuron(),
        Neuron(position=(0, 2)),
        2.5 * Channel() - Neuron() + L1(),
    ],
    ids=str,
)
def test_gradients_are_those_of_finite_differences(objective: Objective) -> None:
    act, across = 3 + draw(3, 3, 5), draw(3, 3, 5, seed=1)
    target = np.asarray(1 if objective.kind == "channels" else 2 + draw(5, seed=2))

    @jax.jit
    @jax.value_and_grad
    def after(step: Any) -> jax.Array:
        return score(objective, act + step * across, target)

    gradient = float(after(0.0)[1])
    right = (float(after(1e-2)[0]) - float(after(-1e-2)[0])) / 2e-2
    assert abs(right) > 1e-2
    assert gradient == pytest.approx(right, rel=1e-2)


def test_sums_are_sums() -> None:
    act, target = draw(3, 4, 6), 4
    a, b, c = (score(part, act, target) for part in (Channel(), Neuron(), TotalVariation()))
    for objective, right in [
        (Channel() + Neuron(), a + b),
        (Channel() - 0.5 * TotalVariation(), a - 0.5 * c),
        (-Channel(), -a),
        (3 * (Channel() + Neuron()) * 0.5, 1.5 * (a + b)),
        (sum([Channel(), Neuron(), -0.1 * TotalVariation()]), a + b - 0.1 * c),
        (Channel() - (Neuron() - TotalVariation()), a - b + c),
        (np.float32(2) * Neuron(), 2 * b),
    ]:
        assert isinstance(objective, Objective)
        assert float(score(objective, act, target)) == pytest.approx(float(right), rel=1e-5)
        table = objective.targets([4, 0], shape=(3, 4, 6))
        np.testing.assert_array_equal(table, np.array([4, 0], np.int32))


def test_equal_objectives_are_equal_dictionary_keys() -> None:
    def make(weight: float) -> Objective:
        return Direction(power=2) - weight * (TotalVariation() + L1(constant=0.25))

    assert make(0.1) == make(0.1)
    assert len({make(0.1), make(0.1), make(0.2), Direction(), Direction(), LucidNotebook()}) == 4
    assert Sum(parts=(Channel(), Neuron())) == Channel() + Neuron()
    assert Scaled(factor=2.0, part=Channel()) == 2 * Channel() != 3 * Channel()


@pytest.mark.parametrize("other", [1, 0.5, "x", None])
def test_only_objectives_can_be_added_and_only_numbers_multiply(other: Any) -> None:
    for operation in (
        lambda: Channel() + other,
        lambda: other + Channel(),
        lambda: Channel() - other,
        lambda: Channel() * Channel(),
        lambda: "x" * Channel(),
    ):
        with pytest.raises(TypeError):
            operation()


@pytest.mark.parametrize("objective", [Direction(), 2 * LucidNotebook() - L1()], ids=str)
def test_directions_become_an_array(objective: Objective) -> None:
    table = objective.targets([[1, 2, 3], [4, 5, 6]], shape=(2, 2, 3))
    assert table.dtype == np.float32 and table.shape == (2, 3)
    for wrong in ([1, 2], np.ones((2, 4)), np.ones((0, 3)), np.float32(1), np.ones((1, 2, 3))):
        with pytest.raises(ValueError, match=r"targets: expected directions \(n, 3\), got \("):
            objective.targets(wrong, shape=(2, 2, 3))


@pytest.mark.parametrize("objective", [Channel(), Neuron(), L1() - Neuron()], ids=str)
def test_channels_become_an_array(objective: Objective) -> None:
    for given in ([0, 6, 6], np.array([0, 6, 6], np.uint8), jnp.array([0, 6, 6])):
        table = objective.targets(given, shape=(2, 2, 7))
        np.testing.assert_array_equal(table, [0, 6, 6])
        assert table.dtype == np.int32
    for wrong in ([0.0, 1.0], [True], 3, [], [[1]]):
        with pytest.raises(ValueError, match=r"targets: expected channel numbers \(n,\), got"):
            objective.targets(wrong, shape=(2, 2, 7))
    for wrong in ([7], [-1, 2]):
        with pytest.raises(ValueError, match="targets: expected channels from 0 to 6, got"):
            objective.targets(wrong, shape=(2, 2, 7))


@pytest.mark.parametrize("objective", [L1(), Diversity(), -L1() + TotalVariation()], ids=str)
def test_an_objective_without_targets_is_refused(objective: Objective) -> None:
    with pytest.raises(ValueError, match="objective: nothing to maximize"):
        objective.targets([1], shape=(2, 2, 7))


def test_invalid_compositions_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one kind of target, got channels and direct"):
        Channel() + 2 * Direction()
    with pytest.raises(ValueError, match="parts: expected at least one"):
        Sum(parts=())
    with pytest.raises(ValueError, match="factor: expected a finite number, got nan"):
        float("nan") * Channel()
    with pytest.raises(ValueError, match=r"position: expected one of 2 x 3, got \(0, 3\)"):
        Neuron(position=(0, 3)).targets([1], shape=(2, 3, 7))


@jax.jit
def diversity(acts: Any) -> jax.Array:
    """Run as the renderer does: a group of icons, (n, h, w, c) -> (n,)."""

    def one(act: Any) -> jax.Array:
        return Diversity()(given(act), jnp.zeros(()))

    return jax.vmap(one, axis_name=GROUP)(acts)


diversity_of_all = jax.jit(jax.value_and_grad(lambda acts: diversity(acts).sum()))


def plain_diversity(acts: HostArray) -> float:
    """Compute lucid's number from the Gram matrices."""
    flat = acts.reshape(len(acts), -1, acts.shape[-1]).astype(np.float64)
    grams = np.einsum("npc,npd->ncd", flat, flat)
    grams /= np.linalg.norm(grams, axis=(1, 2), keepdims=True)
    pairs = np.einsum("icd,jcd->ij", grams, grams)
    return (pairs.sum() - np.trace(pairs)) / len(acts)


@pytest.mark.parametrize("shape", [(2, 3, 3, 8), (4, 1, 1, 5), (5, 6, 4, 3)])
def test_the_sum_over_a_group_is_minus_the_diversity_of_lucid(shape: tuple[int, ...]) -> None:
    acts = np.abs(draw(*shape))
    found = diversity(acts)
    assert found.shape == shape[:1]
    assert np.asarray(found).sum() == pytest.approx(-plain_diversity(acts), rel=1e-5)
    assert np.asarray(found).max() < 0


def test_the_gradient_of_diversity_is_that_of_finite_differences() -> None:
    acts, across = np.abs(draw(3, 2, 3, 4)), draw(3, 2, 3, 4, seed=1)
    gradient = diversity_of_all(acts)[1]
    near = [plain_diversity(acts + step * across) for step in (1e-4, -1e-4)]
    right = -(near[0] - near[1]) / 2e-4
    assert abs(right) > 1e-2
    assert np.vdot(gradient, across) == pytest.approx(right, rel=1e-3)


def test_equal_icons_have_the_least_diversity_and_one_alone_has_none() -> None:
    act = np.abs(draw(1, 3, 3, 6))
    same = diversity(np.repeat(act, 4, axis=0))
    np.testing.assert_allclose(same, -3 / 4, rtol=1e-5)
    value, gradient = diversity_of_all(act)
    assert float(value) == 0 and not np.asarray(gradient).any()


def test_icons_without_activation_have_finite_diversity() -> None:
    value, gradient = diversity_of_all(np.zeros((3, 2, 2, 4), np.float32))
    assert float(value) == 0
    assert np.isfinite(gradient).all()


def test_groups_are_independent() -> None:
    acts = np.abs(draw(2, 3, 2, 2, 5))
    both = jax.vmap(diversity)(acts)
    np.testing.assert_allclose(both, [diversity(group) for group in acts], rtol=1e-5)


@pytest.mark.parametrize(
    ("objective", "central"),
    [
        (Direction(power=0.5), True),
        (LucidNotebook(), True),
        (Neuron(), True),
        (Neuron(position=(0, 1)), False),
        (Channel(), False),
        (Direction() - 0.1 * TotalVariation() + 2 * L1(), True),
        (Neuron() - L1() + 0.5 * Channel(), False),
    ],
    ids=str,
)
def test_a_central_objective_uses_the_centre_only(objective: Objective, central: bool) -> None:
    rng = np.random.default_rng(0)
    target: Any = rng.standard_normal(5).astype(np.float32)
    target = target if objective.kind == "directions" else 3
    whole, other = rng.standard_normal((2, 4, 3, 5)).astype(np.float32)
    other[2, 1] = whole[2, 1]
    scores = [float(score(objective, each, target)) for each in (whole, other)]
    assert objective.central == central == (scores[0] == scores[1])
    if central:
        assert float(score(objective, whole[2:3, 1:2], target)) == scores[0]
