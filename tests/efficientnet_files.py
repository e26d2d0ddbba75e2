"""A small EfficientNet-Lite with a weight file like the real one's, for tests of reading it."""

import dataclasses

import numpy as np
from torch_files import file_of

from jatlas.model._efficientnet_config import EFFICIENTNET_LITE0, BlockGroup, EfficientNetConfig
from jatlas.model._efficientnet_convert import layer_table

# Each kind of block: without expansion, strided, with a skip, 5 x 5.
SMALL: EfficientNetConfig = dataclasses.replace(
    EFFICIENTNET_LITE0,
    classes=5,
    stem=4,
    groups=(
        BlockGroup(repeats=1, channels=4, stride=1, expansion=1),
        BlockGroup(repeats=2, channels=6, expansion=2),
        BlockGroup(repeats=1, channels=8, kernel=5, expansion=3),
    ),
    head=12,
)


def draw(*, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw the tensors of the small network's file."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}
    for layer in layer_table(SMALL):
        for name, shape in layer.expected.items():
            values = rng.standard_normal(shape) * (2 / max(1, np.prod(shape[1:]))) ** 0.5
            tensors[name] = (np.abs(values) if name.endswith("_var") else values).astype(np.float32)
        if layer.norm is not None:
            tensors[f"{layer.norm}.num_batches_tracked"] = np.array(450_360)
    return tensors


def small_file(tensors: dict[str, np.ndarray] | None = None) -> bytes:
    """Write the weight file."""
    return file_of(draw() if tensors is None else tensors)
