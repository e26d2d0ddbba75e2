"""An atlas of a PyTorch model: torchvision's ResNet-18, whose weights torchvision downloads.

Usage: python examples/frameworks/torch_resnet.py PHOTOS OUT
"""

import sys

import jax
import torchvision

import jatlas

LAYERS = ["layer2", "layer3"]


def main(photos, out, weights="DEFAULT", config=None):
    model = torchvision.models.resnet18(weights=weights)
    classes = torchvision.models.ResNet18_Weights.DEFAULT.meta["categories"]
    network, params = jatlas.from_torch(
        model, layers=LAYERS, inputs=jatlas.model.IMAGENET, classes=classes
    )
    jatlas.build(
        network, params, photos, layers=LAYERS, grids=[8], key=jax.random.key(0), out=out,
        config=config,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
