"""`python -m jatlas`."""

import sys

from jatlas.cli import main

sys.exit(main())
