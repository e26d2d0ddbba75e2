"""How well a network classifies the sample of ImageNet."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jatlas import collect
from jatlas.collect import batches
from jatlas.model import Network


def accuracy(network: Network, params: Any, test_data: Path) -> tuple[float, float]:
    """Return the shares of the 700 images whose class is the first, or among the first five."""
    rows = (test_data / "imagenet_sample" / "classes.tsv").read_text().splitlines()[1:]
    truth = {file: int(index) for index, _, _, file in (row.split("\t") for row in rows)}
    source = collect.folder(test_data / "imagenet_sample", size=224)
    classify = jax.jit(lambda x: network.run(params, x / jnp.float32(255)))
    ranks = []
    for images, index, valid in batches(source.load(), 50, skipped=[]):
        logits = np.asarray(classify(images))[:valid]
        own = np.array([truth[source.name(i)] for i in index[:valid]])
        ranks.append((logits > np.take_along_axis(logits, own[:, None], 1)).sum(1))
    rank = np.concatenate(ranks)
    assert len(rank) == 700
    top1, top5 = (rank < 1).mean(), (rank < 5).mean()
    print(f"top-1 {top1:.3f}, top-5 {top5:.3f}")
    return top1, top5
