"""What was measured, for people and for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from jatlas.bench._machine import Machine

_PREFIXES = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


def as_json(
    benchmark: str,
    results: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    settings: Mapping[str, Any],
    machine: Machine,
) -> dict[str, Any]:
    """Put results together with all that they hang on.

    Args:
      benchmark: what was measured.
      results: by the names of the benchmark's record, one of them or a list.
      settings: what it was measured with.
      machine: what it was measured on.

    Returns:
      A dict that JSON knows. The names of a single result stand at the top.
    """
    about = {"benchmark": benchmark, "settings": dict(settings), "machine": machine._asdict()}
    if isinstance(results, Mapping):
        return about | dict(results)
    return about | {"results": [dict(each) for each in results]}


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Align (name, value) pairs."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def amount(value: float, unit: str) -> str:
    """Write a number with three digits and a decimal prefix: 1.23 GFLOP."""
    for prefix, size in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def heading(benchmark: str, of: str, machine: Machine) -> str:
    """Say in two lines what was measured, and on what."""
    versions = f"jatlas {machine.versions['jatlas']}, jax {machine.versions['jax']}"
    where = f"{machine.devices} x {machine.device} ({machine.platform})"
    return f"{benchmark}: {of}\n{where}, {versions}, {machine.date} UTC"


def render_rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the table of a `RenderSpeed`, as a dict that has its peers too."""
    ours = found["ms_per_icon_step"]
    rate = amount(found["matmul_flop_per_s"], "FLOP/s")
    rows = [
        ("ms per icon-step", f"{ours:.3g} (fastest {found['ms_per_icon_step_min']:.3g})"),
        ("icon-steps/s", f"{found['icon_steps_per_s']:.4g}"),
        ("icons in a program", f"{found['icons_in_program']} on {found['devices']} devices"),
        ("work per icon-step", amount(found["flop_per_icon_step"], "FLOP")),
        ("rate", amount(found["flop_per_s"], "FLOP/s")),
        ("share of matmul rate", f"{100 * found['share_of_matmul']:.1f} % of {rate}"),
        ("memory of the program", amount(found["program_bytes"], "B") + " per device"),
        ("peak memory", amount(found["peak_bytes"], "B")),
        ("compiling", f"{found['compile_s']:.1f} s"),
        ("once per run", f"{found['fixed_s']:.2f} s"),
    ]
    for name in ("sequential", "unvectorized"):
        took, ratio = found[f"{name}_ms_per_icon_step"], found[f"speedup_over_{name}"]
        if took is not None:
            rows.append((name, f"{took:.3g} ms per icon-step: {ratio:.2f} times as long"))
    for each in found["peers"]:
        took = each["ms_per_icon_step"]
        said = each["failed"] or f"{took:.3g} ms per icon-step: {each['ratio']:.2f} times as long"
        rows.append((f"{each['name']} {each['version']}", said))
    return rows


def extract_rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the table of an `ExtractSpeed`, as a dict."""
    rate = amount(found["matmul_flop_per_s"], "FLOP/s")
    return [
        ("batch size", f"{found['batch_size']}"),
        ("images/s", f"{found['images_per_s']:.4g} (fastest {found['images_per_s_max']:.4g})"),
        ("work per image", amount(found["flop_per_image"], "FLOP")),
        ("share of matmul rate", f"{100 * found['share_of_matmul']:.1f} % of {rate}"),
        ("memory of the program", amount(found["program_bytes"], "B")),
        ("peak memory", amount(found["peak_bytes"], "B")),
        ("compiling", f"{found['compile_s']:.1f} s"),
    ]


def layout_rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the table of a `LayoutSpeed`, as a dict."""
    return [
        ("points", f"{found['points']}"),
        ("layout", f"{found['layout_s']:.3g} s (fastest {found['layout_s_min']:.3g})"),
        ("of it neighbours", f"{found['neighbors_s']:.3g} s"),
        ("of it UMAP", f"{found['umap_s']:.3g} s"),
        ("peak memory", amount(found["peak_bytes"], "B")),
        ("compiling", f"{found['compile_s']:.1f} s"),
    ]
