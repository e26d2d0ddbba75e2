"""Speed as a user would quote it: rendering, extraction, layout and data, one function for each.

Each function calls what users call and reads the clock; the suite calls them with fixed work, so
that machines can be compared. How jatlas compares with PyTorch, and with the same computation
without vectorization, is measured by scripts among the examples.
"""

from jatlas.bench._data import DataSpeed as DataSpeed
from jatlas.bench._data import bench_data as bench_data
from jatlas.bench._extract import ExtractSpeed as ExtractSpeed
from jatlas.bench._extract import bench_extract as bench_extract
from jatlas.bench._layout import LayoutSpeed as LayoutSpeed
from jatlas.bench._layout import bench_layout as bench_layout
from jatlas.bench._machine import Machine as Machine
from jatlas.bench._machine import machine as machine
from jatlas.bench._machine import timed as timed
from jatlas.bench._render import RenderSpeed as RenderSpeed
from jatlas.bench._render import article as article
from jatlas.bench._render import bench_render as bench_render
from jatlas.bench._render import random_directions as random_directions
from jatlas.bench._render import whole as whole
from jatlas.bench._report import report as report
from jatlas.bench._results import SUITE_FORMAT as SUITE_FORMAT
from jatlas.bench._results import SuiteRun as SuiteRun
from jatlas.bench._results import describe_result as describe_result
from jatlas.bench._results import read_suite as read_suite
from jatlas.bench._results import suite_table as suite_table
from jatlas.bench._results import write_suite as write_suite
from jatlas.bench._suite import Workload as Workload
from jatlas.bench._suite import WorkloadResult as WorkloadResult
from jatlas.bench._suite import bench_suite as bench_suite
from jatlas.bench._suite import suite_workloads as suite_workloads
