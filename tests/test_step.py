"""The programs on the devices: icons spread over any number of them, with nothing to exchange."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ICONS, STEPS = 70, 4
COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")


def main() -> None:
    """Run in a process that sees eight devices: JAX fixes their number when it starts."""
    import jax

    jax.config.update("jax_num_cpu_devices", 8)
    from helpers import tiny_network, tiny_params
    from jax.sharding import Mesh

    from jatlas.visualize import RandomViews, RenderConfig, render
    from jatlas.visualize import _optimize as step

    assert len(jax.devices()) == 8
    config = RenderConfig(icon_size=12, steps=STEPS, views=RandomViews(size=10))
    directions = np.random.default_rng(0).standard_normal((ICONS, 12)).astype(np.float32)
    made = {
        count: render(
            tiny_network(), tiny_params(), directions, layer="conv2", key=jax.random.key(0),
            config=config, devices=jax.devices()[:count], progress=False,
        )
        for count in (1, 3, 8)
    }  # fmt: skip
    # Bitwise with JAX 0.10. JAX 0.12 rounds programs of other sizes differently: 6e-8 measured.
    tolerance = 0 if jax.__version_info__ < (0, 11) else 1e-6
    for count, icons in made.items():
        for found, one in zip(icons, made[1], strict=True):
            np.testing.assert_allclose(
                found, one, rtol=tolerance, atol=tolerance, err_msg=f"{count} devices"
            )

    mesh = Mesh(np.array(jax.devices()), (step.CELLS,))
    cells = np.arange(8 * 16)
    state = step.begin(cells, 0 * cells, key=jax.random.key(0), config=config, mesh=mesh)
    assert len(state.params.sharding.device_set) == 8
    for steps in (1, 3):
        keys = jax.random.split(jax.random.key(1), steps)
        arguments = (tiny_params(), state, np.zeros((128, 12), np.float32), keys)
        program = step.advance.lower(
            tiny_network(), *arguments, layer="conv2", config=config, mesh=mesh
        ).compile()
        text = program.as_text()
        assert "num_partitions=8" in text
        found = [name for name in COLLECTIVES if name in text]
        assert not found, found


@pytest.mark.slow
def test_icons_are_the_same_on_any_number_of_devices_and_nothing_is_exchanged() -> None:
    command = [sys.executable, Path(__file__).resolve()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    main()
