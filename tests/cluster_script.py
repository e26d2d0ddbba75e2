"""Run commands in a process of its own, with the tiny network of the tests by the name "tiny".

Usage: python cluster_script.py ARGUMENTS [-- ARGUMENTS ...], those of `jatlas`
"""

import itertools
import sys

from helpers import tiny_network, tiny_params

from jatlas.build import _sharing
from jatlas.cli import _cluster, main
from jatlas.cli import _session as session

if __name__ == "__main__":
    known = session.load_network
    session.load_network = lambda name: (
        (tiny_network(), tiny_params()) if name == "tiny" else known(name)
    )
    _cluster._LOST_AFTER = 8  # so that tests of a loss are over soon
    _sharing.shares_neighbors = lambda count, recall: True  # which many samples are worth
    for separates, arguments in itertools.groupby(sys.argv[1:], lambda text: text == "--"):
        if not separates and (code := main(list(arguments))):
            sys.exit(code)
