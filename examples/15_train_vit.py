"""Train the vision transformer that comes with jatlas, on images drawn on demand.

As in 04_train_textures.py nothing is downloaded, no image is drawn twice, and each batch gives two
updates, the second on the same images perturbed adversarially; the perturbations grow from nothing
to their full length in the course of the training.

Matrices are trained with Muon, which needs fewer images than Adam to the same accuracy; all else
with Adam. The position embedding is computed for any size, so most images are small.

Usage: python examples/15_train_vit.py --out weights/textures_vit

On 2 cores that other programs used as well it took 42 minutes. It can be interrupted: the same
command resumes. To see it run, in less than a minute and without learning anything:

       JAX_DISABLE_MOST_OPTIMIZATIONS=1 python examples/15_train_vit.py --out tried
           --batches 2 --width small --small 0 --test 64
"""

import dataclasses
import functools
import os
import runpy
import time
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from optax.contrib import muon
from tqdm import tqdm

from jatlas import synthetic
from jatlas.model import write_params
from jatlas.model._vit import forward, init_vit_params
from jatlas.model._vit_config import TEXTURES_VIT

TEXTURES = runpy.run_path(str(Path(__file__).with_name("04_train_textures.py")))
accuracy, augmented, commit, keys_of, make_step = (
    TEXTURES[name] for name in ("accuracy", "augmented", "commit", "keys_of", "make_step")
)

SMALL = 64  # side in pixels of the first images
DECAY = 0.03  # of the weights
MATRICES = 3.0  # learning rate of matrices, whose updates are orthogonal, by that of all else
CONFIGS = {
    "full": TEXTURES_VIT,
    "small": dataclasses.replace(
        TEXTURES_VIT, name="small", dim=16, depth=1, heads=2, hidden=16, stem=(4, 8)
    ),
}
RECIPE = f"""jatlas.synthetic, every image new, {SMALL} px and then 96; flipped, blurred, dimmed,
tinted, noisy; every second update on the same images perturbed adversarially, more and more"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """How to train.

    Attributes:
      out: folder for the weights; the state to resume from is kept beside it.
      batches: number of batches; each gives two updates.
      batch: images in a batch, a multiple of the number of classes.
      seed: of everything random.
      width: "full", or "small" for a network that learns nothing, to try the script.
      small: share of the batches with small images.
      rate: peak learning rate.
      push: maximum L2 norm of a perturbation, at 96 px and at the end.
      test: number of images to measure accuracy on.
      keep: number of batches between two savings of the state.
    """

    out: Path
    batches: int = 1200
    batch: int = 64
    seed: int = 0
    width: Literal["full", "small"] = "full"
    small: float = 0.7
    rate: float = 2e-3
    push: float = 10.0
    test: int = 6400
    keep: int = 50

    @property
    def state(self):
        """The file to resume from."""
        return self.out.with_name(f"{self.out.name}.npz")


def make_optimizer(updates, rate):
    """Return Muon for matrices and Adam for all else, with warm-up and cosine decay.

    Reference:
      Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """

    def rates(factor):
        peak = factor * rate
        warm = min(200, updates // 10)
        return optax.warmup_cosine_decay_schedule(0, peak, warm, updates, peak / 100)

    def kinds(tree):
        return jax.tree.map(lambda leaf: "matrix" if leaf.ndim == 2 else "other", tree)

    matrix = muon(rates(MATRICES), weight_decay=DECAY / MATRICES)
    other = optax.adamw(rates(1), b2=0.99, weight_decay=0)
    return optax.multi_transform({"matrix": matrix, "other": other}, kinds)


def save(options, state, number, seconds):
    """Write the state of the training after some batches, whole or not at all."""
    new = options.state.with_name(f"new-{options.state.name}")
    leaves = map(np.asarray, jax.tree.leaves(state))
    np.savez(new, *leaves, number=number, seconds=seconds, options=repr(options))
    os.replace(new, options.state)


def resume(options, state):
    """Return the state, the number of batches and the seconds of before, if there are any."""
    if not options.state.exists():
        return state, 0, 0.0
    with np.load(options.state) as stored:
        if str(stored["options"]) != repr(options):
            expected = f"the state of {options}"
            raise ValueError(f"{options.state}: expected {expected}, got {stored['options']}")
        leaves, tree = jax.tree.flatten(state)
        leaves = [jnp.asarray(stored[f"arr_{index}"]) for index in range(len(leaves))]
        number, seconds = int(stored["number"]), float(stored["seconds"])
    return jax.tree.unflatten(tree, leaves), number, seconds


def train(config, options):
    """Train and return the parameters, averaged over the last updates, and the seconds it took."""
    for_weights, for_images, for_variation, _ = keys_of(options)
    optimizer = make_optimizer(2 * options.batches, options.rate)
    params = init_vit_params(config, key=for_weights)
    copy = jax.tree.map(jnp.copy, params)
    state = (params, copy, optimizer.init(params), jnp.zeros((), jnp.int32))
    state, done, before = resume(options, state)
    start = time.perf_counter() - before
    step = make_step(functools.partial(forward, config=config), optimizer)
    per_class = options.batch // config.classes
    losses = []
    progress = tqdm(range(done, options.batches), unit="batch", mininterval=5)
    for number in progress:
        size = SMALL if number < options.small * options.batches else config.input_size
        drawn = synthetic.batch(
            key=for_images, per_class=per_class, size=size, first=number * per_class
        )
        key = jax.random.fold_in(for_variation, number)
        longest = options.push * number / options.batches * size / config.input_size
        distance = longest * jax.random.uniform(jax.random.fold_in(key, 1))
        state, pair = step(state, augmented(drawn.pixels, key=key), drawn.labels, distance)
        losses.append(pair)
        if number % 20 == 19:
            loss, hard = np.mean(jax.device_get(losses[-20:]), axis=0)
            progress.set_postfix(loss=f"{loss:.3f}", perturbed=f"{hard:.3f}", size=size)
        if number % options.keep == options.keep - 1:
            save(options, state, number + 1, time.perf_counter() - start)
    return jax.block_until_ready(state[1]), time.perf_counter() - start


def main(options):
    config = CONFIGS[options.width]
    params, seconds = train(config, options)
    logits_of = functools.partial(forward, config=config)
    by_class = accuracy(logits_of, config, params, key=keys_of(options)[3], count=options.test)
    worst = [f"{synthetic.CLASSES[i]} {by_class[i]:.2f}" for i in np.argsort(by_class)[:8]]
    print(f"accuracy {by_class.mean():.4f} after {seconds:.0f} s; worst: {', '.join(worst)}")
    provenance = {
        "script": f"examples/{Path(__file__).name}",
        "commit": commit(),
        "licence": "Apache-2.0",
        "data": " ".join(RECIPE.split()),
        "accuracy": round(float(by_class.mean()), 4),
        "seconds": round(seconds),
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
    }
    settings = {name: value for name, value in vars(options).items() if name != "out"}
    write_params(options.out, params, provenance=provenance | settings)
    options.state.unlink(missing_ok=True)
    print(options.out)


if __name__ == "__main__":
    main(tyro.cli(Options))
