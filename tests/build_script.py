"""Build the atlas of test_build.py in a process of its own, to be killed.

Usage: python build_script.py IMAGES OUT
"""

import sys
from pathlib import Path

from atlases import build

if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
