"""Results of the suite: as text, as a file, and as a table of several machines."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jatlas.bench._machine import Machine
from jatlas.bench._report import label, short, table
from jatlas.bench._suite import CELLS, WorkloadResult
from jatlas.storage import files
from jatlas.types import checks

SUITE_FORMAT = "jatlas-suite/1"
"""Format of the file and version of the suite: changes whenever the work or the names change."""

# What the table of several machines shows, in this order.
_SHOWN = (
    "ms_per_icon_step",
    "images_per_s",
    "spread",
    "share_of_matmul",
    f"s_for_{CELLS}_icons",
    "one_at_a_time_ratio",
    "compile_s",
    "total_s",
    "first_s",
    "neighbor_recall",
    "trustworthiness",
    "umap_learn_ratio",
    "umap_learn_trustworthiness",
    "cores_busy_elsewhere",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SuiteRun:
    """Results of the suite on one machine.

    Attributes:
      machine: what it ran on.
      repeat: repetitions.
      results: of the workloads so far, in order.
    """

    machine: Machine
    repeat: int
    results: tuple[WorkloadResult, ...]


def describe_result(result: WorkloadResult) -> str:
    """Describe the result of a workload for a person: a heading and a table, or why it failed."""
    heading = f"{result.name}: {result.what} (measured in {short(result.seconds)} s)"
    if result.error is not None:
        return f"{heading}\nfailed: {result.error}"
    return f"{heading}\n{table(result.numbers)}"


def write_suite(path: Path, run: SuiteRun) -> None:
    """Write results as JSON, whole or not at all; raises OSError if they cannot be written."""
    content = {
        "format": SUITE_FORMAT,
        "machine": run.machine._asdict(),
        "repeat": run.repeat,
        "results": [dataclasses.asdict(result) for result in run.results],
    }
    files.write_json(path, content)


def read_suite(path: Path) -> SuiteRun:
    """Read what `write_suite` wrote.

    Args:
      path: the file.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is damaged, of another version of the suite, or no such file.
    """
    content = files.read_json(path)
    found = content.get("format") if isinstance(content, dict) else None
    if found != SUITE_FORMAT:
        raise ValueError(
            f"{path}: expected a file of `jatlas bench suite` in format {SUITE_FORMAT}, got "
            f"{checks.shown(found)}"
        )
    try:
        return _parsed(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _parsed(content: dict[str, Any]) -> SuiteRun:
    machine = Machine(**content["machine"])
    for name in ("device", "date", "system"):
        checks.text(name, getattr(machine, name))
    for name in ("jatlas", "jax", "python"):
        checks.text(name, machine.versions[name])
    return SuiteRun(
        machine=machine,
        repeat=checks.whole("repeat", content["repeat"]),
        results=tuple(_result(each) for each in content["results"]),
    )


def _result(record: dict[str, Any]) -> WorkloadResult:
    result = WorkloadResult(**record)
    for name in ("name", "what"):
        checks.text(name, getattr(result, name))
    if result.error is not None:
        checks.text("error", result.error)
    for name, value in {"seconds": result.seconds, **result.numbers}.items():
        checks.number(name, value)
    return result


def suite_table(runs: Sequence[SuiteRun]) -> str:
    """Return a Markdown table of results, a column a machine.

    A workload that a run does not have is blank; one that failed says so.

    Args:
      runs: results of at least one machine.

    Raises:
      ValueError: if there are none.
    """
    if not runs:
        raise ValueError("runs: expected at least one, got none")
    names = dict.fromkeys(result.name for run in runs for result in run.results)
    rows = [
        _row("", [f"{run.machine.devices} x {run.machine.device}" for run in runs]),
        f"|{'---|' * (len(runs) + 1)}",
        _row("date (UTC)", [run.machine.date for run in runs]),
        _row("software", [_software(run.machine) for run in runs]),
        _row("repetitions", [str(run.repeat) for run in runs]),
    ]
    for name in names:
        rows += _rows(name, [_named(run, name) for run in runs])
    return "\n".join(rows)


def _rows(name: str, results: Sequence[WorkloadResult | None]) -> list[str]:
    """Return a row for each number of a workload that any run has; one if all have failed."""
    known = {number for result in results if result for number in result.numbers}
    shown = [number for number in _SHOWN if number in known]
    return [
        _row(f"`{name}`: {label(number)}", [_cell(result, number) for result in results])
        for number in shown
    ] or [_row(f"`{name}`", [_cell(result, "") for result in results])]


def _named(run: SuiteRun, name: str) -> WorkloadResult | None:
    return next((result for result in run.results if result.name == name), None)


def _cell(result: WorkloadResult | None, number: str) -> str:
    if result is None:
        return ""
    if result.error is not None:
        return "failed"
    return short(result.numbers[number]) if number in result.numbers else ""


def _software(machine: Machine) -> str:
    versions = machine.versions
    words = f"jatlas {versions['jatlas']}, jax {versions['jax']}, Python {versions['python']}"
    return f"{words}, {machine.system}"


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([name, *(cell.replace('|', chr(92) + '|') for cell in cells)])} |"
