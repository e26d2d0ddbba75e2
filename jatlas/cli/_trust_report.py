"""What `jatlas check` reports of a grid, as values and as text."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from jatlas.explain import rank_correlations, standing
from jatlas.records import Grid
from jatlas.types import HostArray

WORST = 10
_REASONS = 3
_LOW = 0.2  # standing of a measure that is a reason


class Summary(NamedTuple):
    """A measure over the cells of a grid.

    Attributes:
      name: of the measure.
      values: (m,) of the cells, NaN where it cannot be measured.
      median: of those that are known; NaN for none.
      tenth: the 10th percentile of them.
      below: how many are below the threshold.
      unknown: cells where it cannot be measured.
    """

    name: str
    values: HostArray
    median: float
    tenth: float
    below: int
    unknown: int


class Reason(NamedTuple):
    """A measure in which a cell is among the worst: its value, and the share that is worse."""

    name: str
    value: float
    standing: float


class WorstCell(NamedTuple):
    """One of the cells that are trusted least.

    Attributes:
      number: of the cell among those with icons.
      row: of the cell.
      column: of the cell.
      trust: mean standing over the measures, from 0 to 1.
      reasons: measures in which it is among the worst fifth, the worst first.
    """

    number: int
    row: int
    column: int
    trust: float
    reasons: tuple[Reason, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """What is reported of a grid.

    Attributes:
      path: name of the map.
      size: cells along each side.
      cells: (m,) numbers of the cells.
      threshold: below which cells are counted.
      summaries: of each measure.
      correlations: (measures, measures) of their ranks.
      worst: the cells that are trusted least, the worst first.
    """

    path: str
    size: int
    cells: HostArray
    threshold: float
    summaries: tuple[Summary, ...]
    correlations: HostArray
    worst: tuple[WorstCell, ...]


def report_of(path: str, grid: Grid, *, threshold: float) -> Report:
    """Return what is reported of a grid; of one that was not measured, no measures.

    Args:
      path: name of its map.
      grid: the grid.
      threshold: below which cells are counted.
    """
    measures = {} if grid.trust is None else grid.trust.measures
    summaries = tuple(
        _summary(name.replace("_", " "), values, threshold) for name, values in measures.items()
    )
    table = np.stack([each.values for each in summaries], axis=1) if summaries else None
    return Report(
        path=path,
        size=grid.size,
        cells=grid.cells,
        threshold=threshold,
        summaries=summaries,
        correlations=np.zeros((0, 0)) if table is None else rank_correlations(table),
        worst=() if table is None else _worst(table, summaries, grid),
    )


def _summary(name: str, values: HostArray, threshold: float) -> Summary:
    known = values[np.isfinite(values)]
    median, tenth = np.percentile(known, (50, 10)).tolist() if len(known) else (np.nan, np.nan)
    below = int((known < threshold).sum())
    return Summary(name, values, median, tenth, below, len(values) - len(known))


def _worst(table: HostArray, summaries: tuple[Summary, ...], grid: Grid) -> tuple[WorstCell, ...]:
    each = standing(table)
    known = np.isfinite(each)
    trust = np.where(known, each, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    trust = np.where(known.any(axis=1), trust, 1)
    found = []
    for number in np.argsort(trust, kind="stable")[:WORST].tolist():
        low = [i for i in np.argsort(each[number]).tolist() if each[number, i] < _LOW]
        reasons = tuple(
            Reason(summaries[i].name, float(table[number, i]), float(each[number, i]))
            for i in low[:_REASONS]
        )
        row, column = divmod(int(grid.cells[number]), grid.size)
        found.append(WorstCell(number, row, column, float(trust[number]), reasons))
    return tuple(found)


def reason_text(reason: Reason) -> str:
    """Return a reason in words.

    Example:
      >>> reason_text(Reason("stable", 0.104, 0.021))
      'stable 0.10 (lowest 2 %)'
    """
    return f"{reason.name} {reason.value:.2f} (lowest {max(100 * reason.standing, 1):.0f} %)"


def text(report: Report) -> str:
    """Return a report as lines of text."""
    lines = [f"{report.path}, {report.size} x {report.size}: {len(report.cells)} cells"]
    if not report.summaries:
        return f"{lines[0]}, nothing measured"
    below = f"below {report.threshold:g}"
    lines.append(f"  {'measure':<10} {'median':>8} {'10th pct':>9} {below:>10} {'unknown':>8}")
    lines += [
        f"  {x.name:<10} {x.median:8.2f} {x.tenth:9.2f} {x.below:10d} {x.unknown:8d}"
        for x in report.summaries
    ]
    lines += ["  Spearman correlation", *_correlation_lines(report)]
    lines.append("  least trustworthy: row and column from 0, mean standing among the cells, why")
    lines += [
        f"  {x.row:4d} {x.column:4d} {x.trust:6.2f}  {', '.join(map(reason_text, x.reasons))}"
        for x in report.worst
    ]
    return "\n".join(lines)


def _correlation_lines(report: Report) -> list[str]:
    names = [each.name for each in report.summaries]
    lines = [" " * 13 + "".join(f"{name:>10}" for name in names)]
    for name, row in zip(names, report.correlations, strict=True):
        lines.append(f"  {name:<10} " + "".join(f"{x:10.2f}" for x in row))
    return lines


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON values; null where something is not known."""
    names = [each.name for each in report.summaries]
    measures = {
        x.name: {
            "median": _number(x.median),
            "10th percentile": _number(x.tenth),
            "below": x.below,
            "unknown": x.unknown,
        }
        for x in report.summaries
    }
    correlations = {
        name: {other: _number(x) for other, x in zip(names, row, strict=True)}
        for name, row in zip(names, report.correlations, strict=True)
    }
    worst = [x._asdict() | {"reasons": [y._asdict() for y in x.reasons]} for x in report.worst]
    return {
        "map": report.path,
        "size": report.size,
        "threshold": report.threshold,
        "measures": measures,
        "correlations": correlations,
        "worst": worst,
        "cells": _cells_json(report),
    }


def _cells_json(report: Report) -> list[dict[str, Any]]:
    ranks = {x.name: standing(x.values) for x in report.summaries if x.name == "on target"}
    cells = []
    for i, cell in enumerate(report.cells.tolist()):
        row, column = divmod(cell, report.size)
        values = {x.name: _number(x.values[i]) for x in report.summaries}
        standings = {f"{name} standing": _number(x[i]) for name, x in ranks.items()}
        cells.append({"row": row, "column": column} | values | standings)
    return cells


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None
