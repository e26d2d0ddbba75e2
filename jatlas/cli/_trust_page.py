"""What `jatlas check` reports, as one page that needs nothing else."""

from __future__ import annotations

import base64
import html
import io

import numpy as np
from PIL import Image

from jatlas.cli._trust_report import Report, Summary, WorstCell, reason_text
from jatlas.records import Grid
from jatlas.types import HostArray

_BINS = 20
_PLACES = 4  # real places beside an icon
_BAR, _HEIGHT, _FOOT = 11, 90, 16  # pixels of a histogram
_ABOUT = {
    "on target": "cosine of the icon with its direction",
    "faithful": "earlier layers treat the icon as they treat the cell's real places",
    "natural": "the layer sees in real images what it sees in the icon",
    "stable": "an icon from another start excites the layer in the same way",
    "pure": "share of the samples' spread that the cell's mean explains",
    "distinct": "the samples nearest to the cell's mean are its own",
    "placed": "neighbours on the map are neighbours in another layout",
    "kept": "true neighbours are neighbours on the map",
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto;
  max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.measures { display: flex; flex-wrap: wrap; gap: 1.2rem 1.6rem; }
figure { margin: 0; width: 230px; } figcaption { font-size: 13px; color: #555; }
figcaption b { color: #222; } svg { display: block; }
table { border-collapse: collapse; font-size: 14px; margin: 0.5rem 0 1rem; }
th, td { padding: 0.25rem 0.7rem; text-align: right; font-variant-numeric: tabular-nums; }
th { font-weight: 600; }
th:first-child, th.left, td.why { text-align: left; } tr + tr { border-top: 1px solid #ddd; }
td img { height: 80px; width: 80px; vertical-align: middle; margin-right: 2px; }
td.pictures { text-align: left; white-space: nowrap; }
"""


def page(title: str, found: list[tuple[Report, Grid]]) -> str:
    """Return the page.

    Args:
      title: heading, any text.
      found: reports and the grids they are of.
    """
    heading = html.escape(title)
    body = "".join(_section(report, grid) for report, grid in found)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{heading}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{heading}</h1>"
        "<p>Each measure is from 0 to 1, larger is better.</p>"
        f"{body}</body></html>\n"
    )


def _section(report: Report, grid: Grid) -> str:
    heading = f"{report.path}, {report.size} x {report.size}: {len(report.cells)} cells"
    if not report.summaries:
        return f"<h2>{html.escape(heading)}</h2><p>Nothing was measured.</p>"
    figures = "".join(_figure(each, report.threshold) for each in report.summaries)
    rows = "".join(_worst_row(each, grid) for each in report.worst)
    head = "".join(f"<th>{name}</th>" for name in ("row", "column", "trust"))
    head += "".join(f"<th class='left'>{name}</th>" for name in ("icon", "real places", "why"))
    return (
        f"<h2>{html.escape(heading)}</h2><div class='measures'>{figures}</div>"
        f"<h3>Correlation of ranks</h3>{_correlations(report)}"
        "<h3>Least trustworthy cells</h3>"
        "<p>Trust is the mean, over the measures, of the share of the cells that are worse. "
        "Rows and columns count from 0.</p>"
        f"<table><tr>{head}</tr>{rows}</table>"
    )


def _figure(summary: Summary, threshold: float) -> str:
    known = summary.values[np.isfinite(summary.values)]
    counts = np.histogram(known, bins=_BINS, range=(0, 1))[0]
    width, top = _BINS * _BAR, max(int(counts.max()), 1)
    bars = "".join(
        f'<rect x="{i * _BAR}" y="{_HEIGHT - height:.1f}" width="{_BAR - 1}" '
        f'height="{height:.1f}" fill="{"#c4543a" if i / _BINS < threshold else "#4a7a9c"}"/>'
        for i, height in enumerate(_HEIGHT * counts / top)
    )
    labels = "".join(
        f'<text x="{x * width}" y="{_HEIGHT + _FOOT - 3}" text-anchor="{anchor}">{x:g}</text>'
        for x, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    name = html.escape(summary.name)
    picture = (
        f'<svg width="{width}" height="{_HEIGHT + _FOOT}" role="img" font-size="11" fill="#555" '
        f'aria-label="Histogram: {name}">{bars}{labels}</svg>'
    )
    numbers = f"median {summary.median:.2f}, 10th percentile {summary.tenth:.2f}, "
    numbers += f"{summary.below} below {threshold:g}"
    if summary.unknown:
        numbers += f", {summary.unknown} unknown"
    about = html.escape(_ABOUT.get(summary.name, ""))
    return f"<figure>{picture}<figcaption><b>{name}</b>: {about}. {numbers}.</figcaption></figure>"


def _correlations(report: Report) -> str:
    names = [html.escape(each.name) for each in report.summaries]
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{_shown(x)}</td>' for x in row)}</tr>"
        for name, row in zip(names, report.correlations, strict=True)
    )
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _shown(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00") if np.isfinite(value) else ""


def _worst_row(cell: WorstCell, grid: Grid) -> str:
    icon = _picture(np.asarray(grid.icons.images[cell.number]), "icon")
    crops = [] if grid.crops is None else list(np.asarray(grid.crops[cell.number]))
    if grid.exemplars is not None:  # a cell may have fewer
        crops = crops[: int((np.asarray(grid.exemplars[cell.number]) >= 0).sum())]
    crops = crops[:_PLACES]
    places = "".join(_picture(crop, "real place") for crop in crops)
    why = html.escape(", ".join(map(reason_text, cell.reasons)))
    return (
        f"<tr><td>{cell.row}</td><td>{cell.column}</td><td>{cell.trust:.2f}</td>"
        f"<td class='pictures'>{icon}</td><td class='pictures'>{places}</td>"
        f"<td class='why'>{why}</td></tr>"
    )


def _picture(pixels: HostArray, alt: str) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{alt}" src="data:image/png;base64,{data}">'
