"""How well a network classifies the sample of ImageNet."""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas import collect
from jatlas.collect import batches
from jatlas.model import Network

EVERY = 1 if "JATLAS_SLOWEST" in os.environ else 4  # images; all of them take half a minute


def accuracy(network: Network, params: Any, test_data: Path) -> tuple[float, float]:
    """Return the shares of the images whose class is the first, or among the first five.

    With JATLAS_SLOWEST these are all 700 images, without it every fourth.
    """
    rows = (test_data / "imagenet_sample" / "classes.tsv").read_text().splitlines()[1:]
    truth = {file: int(index) for index, _, _, file in (row.split("\t") for row in rows)}
    source = collect.folder(test_data / "imagenet_sample", size=224)
    assert source.count == 700
    used = range(0, source.count, EVERY)
    # Parameters are an argument: as constants they would be compiled, which takes seconds.
    classify = jax.jit(lambda params, x: network.run(params, x / jnp.float32(255)))
    ranks = []
    for images, index, valid in batches(source.reload(used), 50, skipped=[]):
        logits = np.asarray(classify(params, images))[:valid]
        own = np.array([truth[source.name(i)] for i in index[:valid]])
        ranks.append((logits > np.take_along_axis(logits, own[:, None], 1)).sum(1))
    rank = np.concatenate(ranks)
    assert len(rank) == len(used)
    top1, top5 = (rank < 1).mean(), (rank < 5).mean()
    print(f"{len(rank)} images: top-1 {top1:.3f}, top-5 {top5:.3f}")
    return top1, top5
