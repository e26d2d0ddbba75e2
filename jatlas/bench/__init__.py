"""Speed, measured the way a user would want to quote it: one function for each stage.

Nothing here is written for speed: each function calls what users call, and reads the clock.
"""

from jatlas.bench._extract import ExtractSpeed as ExtractSpeed
from jatlas.bench._extract import bench_extract as bench_extract
from jatlas.bench._layout import LayoutSpeed as LayoutSpeed
from jatlas.bench._layout import bench_layout as bench_layout
from jatlas.bench._render import RenderSpeed as RenderSpeed
from jatlas.bench._render import bench_render as bench_render
