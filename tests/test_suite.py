"""The suite of benchmarks: its fixed work, its file, its table, and what remains of a failure."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import pytest
from helpers import tiny_network, tiny_params

from jatlas import bench
from jatlas.arrange import UMAP
from jatlas.bench import Workload, WorkloadResult
from jatlas.bench import _machine as machine
from jatlas.bench import _render as rendering
from jatlas.bench import _suite as suite
from jatlas.bench._render import step_cost
from jatlas.cli import main
from jatlas.storage import files
from jatlas.visualize import RenderConfig

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
FIXED = {name: bench.suite_workloads(name) for name in ("cpu", "gpu")}


def work(name: str, measure: Callable[[int], dict[str, Any]] | None = None) -> Workload:
    return Workload(
        name=name, what=f"does {name}", measure=measure or (lambda repeat: {"total_s": repeat})
    )


def broken(repeat: int) -> dict[str, float]:
    raise RuntimeError("RESOURCE_EXHAUSTED: out of memory\nwhile allocating")


def result(name: str, **changes: Any) -> WorkloadResult:
    given: dict[str, Any] = {
        "what": f"does {name}",
        "seconds": 1.5,
        "numbers": {"total_s": 2.0},
    } | changes
    return WorkloadResult(name=name, **given)


def suite_run(*results: WorkloadResult, **changes: Any) -> bench.SuiteRun:
    machine = bench.machine(jax.devices()[:1])._replace(**changes)
    return bench.SuiteRun(machine=machine, repeat=3, results=results)


@pytest.fixture
def workloads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Workload]]:
    """The list that the command takes for the fixed one; compiled programs are kept afterwards."""
    chosen = [work("one"), work("two"), work("three")]
    monkeypatch.setattr(bench, "suite_workloads", lambda platform: tuple(chosen))
    kept = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    yield chosen
    jax.config.update("jax_enable_compilation_cache", kept)


# Fixed work


def test_the_documentation_lists_the_fixed_work() -> None:
    listed = re.findall(
        r"^\| `([a-z0-9-]+)` \| (.+) \|$", TEXT.split("## The numbers")[0], re.MULTILINE
    )
    assert listed == [(each.name, each.what) for part in FIXED.values() for each in part]


def test_a_name_stands_for_the_same_work_everywhere() -> None:
    names = [each.name for part in FIXED.values() for each in part]
    assert len(set(names)) == len(names)
    assert [each.name for each in bench.suite_workloads("tpu")] == [x.name for x in FIXED["gpu"]]


def test_the_documentation_shows_the_results_that_are_there() -> None:
    """After a file is added, the table is made again with the command that is documented."""
    paths = sorted((DOCS / "benchmarks").glob("*.json"))
    runs = [bench.read_suite(path) for path in paths]
    table = bench.suite_table(runs) if runs else "None yet."
    assert f"## Results\n\n{table}\n" in TEXT
    assert "jatlas bench table docs/benchmarks/*.json" in TEXT


# Measuring


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not know what other processes do."""
    monkeypatch.setattr(suite, "busy_elsewhere", lambda: None)


def test_work_of_other_processes_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([10.0, 13.0])
    monkeypatch.setattr(suite, "busy_elsewhere", lambda: next(seconds))
    times = iter([100.0, 106.0, 106.0])
    monkeypatch.setattr(suite.time, "perf_counter", lambda: next(times))
    (found,) = bench.bench_suite([work("one")])
    assert found.numbers == {"total_s": 3, "cores_busy_elsewhere": 0.5} and found.seconds == 6


@pytest.mark.usefixtures("alone")
def test_results_come_one_by_one() -> None:
    begun: list[str] = []

    def begin(name: str) -> Workload:
        def measure(repeat: int) -> dict[str, float]:
            begun.append(name)
            return {"runs": repeat}

        return work(name, measure)

    results = bench.bench_suite([begin("one"), begin("two")], repeat=2)
    assert begun == []
    first = next(results)
    assert begun == ["one"] and (first.name, first.what) == ("one", "does one")
    assert first.numbers == {"runs": 2} and first.error is None and first.seconds >= 0
    assert [each.name for each in results] == ["two"]


@pytest.mark.usefixtures("alone")
def test_the_others_are_measured_if_one_fails() -> None:
    results = list(bench.bench_suite([work("one"), work("two", broken), work("three")]))
    assert [each.error for each in results] == [
        None, "RuntimeError: RESOURCE_EXHAUSTED: out of memory", None,
    ]  # fmt: skip
    assert results[1].numbers == {} and results[2].numbers == {"total_s": 3}


def test_what_is_not_finite_is_a_failure() -> None:
    bad = work("bad", lambda repeat: {"mean_cosine": float("nan"), "total_s": 1.0})
    (found,) = bench.bench_suite([bad])
    assert found.error == "ValueError: mean_cosine: not finite, so that the work was not done"


@pytest.mark.usefixtures("alone")
def test_what_is_unknown_or_of_the_whole_process_is_left_out() -> None:
    (found,) = bench.bench_suite(
        [work("one", lambda repeat: {"total_s": 1.0, "decoded_per_s": None, "peak_bytes": 9})]
    )
    assert found.numbers == {"total_s": 1.0}


def test_some_are_chosen_in_the_order_of_the_suite() -> None:
    some = bench.bench_suite([work("one"), work("two"), work("three")], only=["three", "one"])
    assert [each.name for each in some] == ["one", "three"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"only": ["one", "tow"]}, "only: expected 'one' or 'two', got 'tow'"),
        ({"repeat": 0}, "repeat: expected at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named_before_anything_runs(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        bench.bench_suite([work("one", broken), work("two")], **arguments)


def test_both_layouts_are_compared_without_the_search_that_they_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def bench_layout(*, config: UMAP | None = None, **kwargs: Any) -> bench.LayoutSpeed:
        assert kwargs["repeat"] == 2  # one of which warms up
        fields: dict[str, Any] = dict.fromkeys(
            (field.name for field in dataclasses.fields(bench.LayoutSpeed)), 5
        )
        return bench.LayoutSpeed(**fields | {"map_s": 12 if config else 3})

    monkeypatch.setattr(suite, "bench_layout", bench_layout)
    numbers = suite.layout_workload(name="one", points=60, reference=True).measure(1)
    assert numbers["umap_learn_ratio"] == 4 and numbers["umap_learn_map_s"] == 12


def tiny() -> Any:
    return tiny_network(), tiny_params()


def steady(run: Callable[[int], None], steps: int, *, repeat: int) -> rendering.StepCost:
    """Read a clock on which a run takes 1 s and each step 0.25 s, however many icons it has."""
    ran: list[int] = []

    def counted(steps: int) -> None:
        ran.append(steps)
        run(steps)

    def timed(call: Callable[[], object]) -> float:
        call()
        return 1.0 + 0.25 * ran[-1]

    return step_cost(counted, steps, repeat=repeat, timed=timed)


@pytest.mark.slow
def test_a_network_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "step_cost", steady)
    monkeypatch.setitem(machine._SIDE, "cpu", 128)  # products that take no second
    config = bench.article(size=10, config=RenderConfig(steps=8, precision="bfloat16"))
    render = suite.render_workload(
        tiny, name="render", layer="conv2", icons=20, config=config, alone=2
    )
    extract = suite.extract_workload(tiny, name="extract", layer="conv1", batch_size=4, size=16)
    layout = suite.layout_workload(name="layout", points=60, channels=6)
    assert render.what == "render 20 icons of conv2, 10 px views of a canvas of 17 px, bfloat16"
    found = list(bench.bench_suite([render, extract, layout], repeat=1))
    assert [each.error for each in found] == [None] * 3
    rendered, extracted, laid_out = (each.numbers for each in found)
    assert (rendered["ms_per_icon_step"], rendered["one_at_a_time_ms"]) == (12.5, 125)
    assert rendered["one_at_a_time_ratio"] == 10 and rendered["spread"] == 0
    assert rendered["s_for_25600_icons"] == pytest.approx(25_600 / 20 * (1 + 96 * 0.25))
    assert abs(rendered["mean_cosine"]) <= 1
    assert extracted["batch_size"] == 4 and extracted["images_per_s"] > 0
    assert laid_out["points"] == 60 and laid_out["total_s"] > 0


# The file and the table


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = suite_run(result("one"), result("two", numbers={}, error="ValueError: no"))
    bench.write_suite(tmp_path / "run.json", run)
    assert bench.read_suite(tmp_path / "run.json") == run


def test_a_machine_is_a_column_of_the_table() -> None:
    left = suite_run(
        result("render", numbers={"ms_per_icon_step": 2.345, "fixed_s": 1.0, "compile_s": 9.0}),
        result("layout", numbers={}, error="ValueError: no"),
        device="One|Two", devices=2, date="2026-11-27 10:00:00",
    )  # fmt: skip
    right = suite_run(
        result("render", numbers={"ms_per_icon_step": 0.0048, "spread": 0.01}),
        result("extract", numbers={"images_per_s": 5775.4}),
        device="Three", devices=1, date="2026-11-28 10:00:00",
    )  # fmt: skip
    versions = left.machine.versions
    software = f"jatlas {versions['jatlas']}, jax {versions['jax']}, Python {versions['python']}"
    both = f"{software}, {left.machine.system}"
    assert bench.suite_table([left, right]).splitlines() == [
        r"|  | 2 x One\|Two | 1 x Three |",
        "|---|---|---|",
        "| date (UTC) | 2026-11-27 10:00:00 | 2026-11-28 10:00:00 |",
        f"| software | {both} | {both} |",
        "| repetitions | 3 | 3 |",
        "| `render`: ms per icon step | 2.35 | 0.0048 |",
        "| `render`: spread |  | 0.01 |",
        "| `render`: compile s | 9 |  |",
        "| `layout` | failed |  |",
        "| `extract`: images per s |  | 5775 |",
    ]
    with pytest.raises(ValueError, match="runs: expected at least one, got none"):
        bench.suite_table([])


def cut(content: dict[str, Any], *place: Any, value: Any = None) -> None:
    """Change a value deep in a record."""
    for step in place[:-1]:
        content = content[step]
    content[place[-1]] = value


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("machine",), {}),
        (("machine", "versions"), ["jax"]),
        (("machine", "date"), "two\nlines"),
        (("results",), None),
        (("results", 0), "one"),
        (("results", 0, "numbers"), [1]),
        (("results", 0, "numbers", "total_s"), "fast"),
        (("results", 0, "seconds"), None),
        (("results", 0, "error"), 3),
        (("repeat",), 0),
    ],
)
def test_a_damaged_file_is_named(place: tuple[Any, ...], value: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    bench.write_suite(path, suite_run(result("one")))
    content = json.loads(path.read_text(encoding="utf-8"))
    cut(content, *place, value=value)
    files.write_json(path, content)
    with pytest.raises(ValueError, match=r"run\.json is damaged: "):
        bench.read_suite(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": "jatlas-suite/99"}', "in format jatlas-suite/1, got 'jatlas-suite/99'"),
        ('{"benchmark": "render"}', "expected a file of `jatlas bench suite` .*, got None"),
        ("[]", "expected a file of `jatlas bench suite` .*, got None"),
        ('{"format": ', "is damaged"),
    ],
)
def test_a_file_that_is_not_of_the_suite_is_one_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    assert main(["bench", "table", str(path)]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said) and str(path) in said and said.count("\n") == 1


# The commands


def test_the_file_is_whole_after_each_result(workloads: list[Workload], tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    seen: list[list[str]] = []

    def look(repeat: int) -> dict[str, float]:
        seen.append([each.name for each in bench.read_suite(path).results])
        return {"total_s": 1.0}

    workloads[1:] = [work("two", look), work("three", look)]
    assert main(["bench", "suite", "--json", str(path)]) == 0
    assert seen == [["one"], ["one", "two"]]
    assert len(bench.read_suite(path).results) == 3


def test_a_failure_is_said_and_the_others_are_kept(
    workloads: list[Workload], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workloads[1] = work("two", broken)
    with pytest.raises(SystemExit) as ended:
        main(["bench", "suite", "--repeat", "1", "--json", str(tmp_path / "run.json")])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "failed: RuntimeError: RESOURCE_EXHAUSTED" in said.out
    assert said.err == "jatlas: failed: two\n"
    found = bench.read_suite(tmp_path / "run.json")
    assert [each.error is None for each in found.results] == [True, False, True]
    assert found.repeat == 1


def test_an_interruption_leaves_what_was_measured(
    workloads: list[Workload], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(repeat: int) -> dict[str, float]:
        raise KeyboardInterrupt

    workloads[1] = work("two", interrupted)
    assert main(["bench", "suite", "--json", str(tmp_path / "run.json")]) == 130
    said = capsys.readouterr()
    assert "one: does one" in said.out and "interrupted" in said.err
    assert [each.name for each in bench.read_suite(tmp_path / "run.json").results] == ["one"]


def test_workloads_are_chosen_by_name(
    workloads: list[Workload], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "suite", "--only", "two", "--only", "one"]) == 0
    said = capsys.readouterr().out
    assert "one: does one" in said and "two: does two" in said and "three" not in said
    assert f"jax {jax.__version__}" in said
    assert main(["bench", "suite", "--only", "four"]) == 2
    assert "only: expected 'one', 'two' or 'three', got 'four'" in capsys.readouterr().err


def test_two_files_are_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "left.json", tmp_path / "right.json"]
    for path, device in zip(paths, ("Left", "Right"), strict=True):
        bench.write_suite(path, suite_run(result("one"), device=device))
    assert main(["bench", "table", *map(str, paths)]) == 0
    said = capsys.readouterr().out
    assert "1 x Left | 1 x Right" in said and "| `one`: total s | 2 | 2 |" in said
    assert main(["bench", "table"]) == 2
    assert "expected at least one" in capsys.readouterr().err
