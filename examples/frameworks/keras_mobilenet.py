"""An atlas of a Keras model on JAX: MobileNetV2 with ImageNet's weights, which Keras downloads.

Usage: python examples/frameworks/keras_mobilenet.py PHOTOS OUT
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"  # before Keras is imported

import jax
import keras

import jatlas

LAYERS = ["block_6_expand_relu", "block_13_expand_relu"]


def main(photos, out, weights="imagenet", config=None):
    # Without the softmax at the end: probabilities are no logits.
    model = keras.applications.MobileNetV2(weights=weights, classifier_activation=None)
    classes = jatlas.model.known_classes("googlenet_bvlc")  # in the usual order of ImageNet
    network, params = jatlas.from_keras(
        model, layers=LAYERS, inputs=jatlas.model.MINUS_ONE_TO_ONE, classes=classes
    )
    jatlas.build(
        network, params, photos, layers=LAYERS, grids=[8], key=jax.random.key(0), out=out,
        config=config,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
