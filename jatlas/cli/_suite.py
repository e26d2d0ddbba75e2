"""`jatlas bench suite` and `jatlas bench table`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import jax
from tyro.conf import Positional, UseAppendAction

from jatlas import bench
from jatlas.cli._session import prepare_timing, start_jax


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchSuite:
    """Measure fixed work, the same on every machine: rendering, extraction, layout.

    Nothing is downloaded: the network has random parameters. A GPU or TPU gets larger work than a
    CPU. Each result is printed, and the file written, as soon as it is there.

    Attributes:
      only: name of a workload to measure; may be repeated. Without it, all.
      repeat: repetitions; medians count.
      json: file to write the results to.
    """

    only: UseAppendAction[tuple[str, ...]] = ()
    repeat: int = 3
    json: Path | None = None

    def run(self) -> None:
        """Measure, print each result, and write JSON if asked to.

        Raises:
          ValueError: for an unknown workload, or `repeat` below 1.
          SystemExit: with code 1, at the end, if a workload failed.
        """
        prepare_timing(self.json)
        start_jax()
        machine = bench.machine(jax.local_devices())
        workloads = bench.suite_workloads(machine.platform)
        done: list[bench.WorkloadResult] = []
        results = bench.bench_suite(workloads, only=self.only, repeat=self.repeat)
        title = f"suite {bench.SUITE_FORMAT}, {self.repeat} repetitions"
        print(bench.report(title, machine=machine), flush=True)
        for result in results:
            done.append(result)
            print(f"\n{bench.describe_result(result)}", flush=True)
            if self.json is not None:
                run = bench.SuiteRun(machine=machine, repeat=self.repeat, results=tuple(done))
                bench.write_suite(self.json, run)
        failed = [result.name for result in done if result.error is not None]
        if failed:
            print(f"jatlas: failed: {', '.join(failed)}", file=sys.stderr)
            raise SystemExit(1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchTable:
    """Print a Markdown table of what `jatlas bench suite` measured, a column a file.

    Attributes:
      files: JSON files of the suite.
    """

    files: Positional[tuple[Path, ...]]

    def run(self) -> None:
        """Read the files and print the table."""
        print(bench.suite_table([bench.read_suite(path) for path in self.files]))
