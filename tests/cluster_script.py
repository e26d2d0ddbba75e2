"""Run a command in a process of its own, with the tiny network of the tests by the name "tiny".

Usage: python cluster_script.py ARGUMENTS, those of `jatlas`
"""

import sys

from helpers import tiny_network, tiny_params

from jatlas.cli import _session as session
from jatlas.cli import main

if __name__ == "__main__":
    known = session.load_network
    session.load_network = lambda name: (  # type: ignore[assignment]
        (tiny_network(), tiny_params()) if name == "tiny" else known(name)
    )
    sys.exit(main(sys.argv[1:]))
