"""A short build, to try a version of JAX: python tests/smoke.py

Samples, a layout, icons over two devices, and the atlas read again.
"""

import tempfile
from pathlib import Path

import jax
import numpy as np
from atlases import build, make_images

import jatlas
from jatlas.cli import _session as session


def main() -> None:
    # Not at import, as pytest imports every file here. As commands do, before JAX starts.
    session.compile_faster()
    jax.config.update("jax_num_cpu_devices", 2)
    jax.config.update("jax_disable_most_optimizations", True)
    with tempfile.TemporaryDirectory() as scratch:
        images = make_images(Path(scratch) / "images")
        atlas = build(images, Path(scratch) / "atlas", layers=("conv1",), grids=(3,))
        stored = jatlas.load(Path(scratch) / "atlas")
    for each in (*atlas.maps, *stored.maps):
        icons = each.grids[0].icons
        assert np.isfinite(icons.scores).all() and icons.images.std() > 5, each.path
    print(f"jax {jax.__version__}: {jax.device_count()} devices, {len(atlas.maps)} maps")


if __name__ == "__main__":
    main()
