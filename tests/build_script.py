"""Build the atlas of test_pipeline.py in a process of its own, to be killed.

Usage: python build_script.py IMAGES OUT
"""

import sys
from pathlib import Path

from test_pipeline import build

from jatlas.collect import _extract as samples

if __name__ == "__main__":
    samples.SEGMENT = 10
    build(Path(sys.argv[1]), Path(sys.argv[2]))
