"""A user's table: a CSV or Parquet file as rows of text."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

from jatlas.types import checks, one_line


class Table(NamedTuple):
    """The rows of a table.

    Attributes:
      path: of the file.
      header: names of the columns, each once.
      rows: for each row the text of each column, "" where there is none.
      lines: number of each row in the file.
      unit: what these numbers count, "line" or "row".
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    unit: str

    def where(self, row: int) -> str:
        """Return what messages call a row, such as "line 2"."""
        return f"{self.unit} {self.lines[row]}"

    def error(self, row: int, message: str) -> ValueError:
        """Return an error that names the file and the line."""
        return ValueError(f"{self.path}, {self.where(row)}: {message}")


def read_table(path: str | Path) -> Table:
    """Read a table with a header.

    Args:
      path: a Parquet file if its name ends in .parquet, which needs pyarrow; else CSV in UTF-8.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is no such table, a column has no name or that of another one, or pyarrow
        is not installed.
    """
    file = Path(path)
    table = _read_parquet(file) if file.suffix.lower() == ".parquet" else _read_csv(file)
    header = table.header
    if "" in header or len(set(header)) < len(header):
        raise ValueError(f"{file}: expected a header with a name for each column, got {header}")
    if bad := next((x for x in header if x.splitlines() != [x]), None):
        raise ValueError(f"{file}: expected one line as the name of a column, got {bad!r}")
    if not table.rows:
        raise ValueError(f"{file}: expected rows below the header, got none")
    return table


def _read_csv(path: Path) -> Table:
    rows, numbers = [], []
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        try:
            header = [name.strip() for name in next(lines, [])]
            for row in lines:
                if not row:
                    continue
                if len(row) != len(header):
                    raise ValueError(
                        f"{path}, line {lines.line_num}: expected {len(header)} columns as in the "
                        f"header, got {len(row)}: {checks.shown(row)}"
                    )
                rows.append(row)
                numbers.append(lines.line_num)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path}, after line {lines.line_num}: expected CSV in UTF-8: {one_line(error)}"
            ) from error
    if not header:
        raise ValueError(f"{path}: expected a header, got an empty file")
    return Table(path, header, rows, numbers, "line")


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ValueError(
            f"{path}: reading Parquet needs pyarrow (pip install pyarrow), or write it as CSV: "
            f"{one_line(error)}"
        ) from error
    with open(path, "rb") as file:
        try:
            table = parquet.read_table(file)
            header = [str(name) for name in table.column_names]
            columns = [[_text(x) for x in column.to_pylist()] for column in table.columns]
        except (ArrowException, OSError, ValueError) as error:
            raise ValueError(f"{path}: expected a Parquet file: {one_line(error)}") from error
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Table(path, header, rows, list(range(len(rows))), "row")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
