"""Commands in a process of its own, with the tiny network of the tests by the name "tiny"."""

import itertools

import jax
from helpers import tiny_network, tiny_params

from jatlas.build import _sharing
from jatlas.cli import _cluster, main
from jatlas.cli import _session as session


def run(words: list[str]) -> int:
    """Run commands, the arguments of `jatlas` with "--" between; return the first error's code."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 1)
    known = session.load_network
    session.load_network = lambda name: (
        (tiny_network(), tiny_params()) if name == "tiny" else known(name)
    )
    _cluster._LOST_AFTER = 8  # so that tests of a loss are over soon
    _sharing.shares_neighbors = lambda count, recall: True  # which many samples are worth
    for separates, arguments in itertools.groupby(words, lambda text: text == "--"):
        if not separates and (code := main(list(arguments))):
            return code
    return 0
