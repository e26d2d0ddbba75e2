"""Several processes that share a command: what they make is what one makes, whatever happens."""

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cluster_script
import jax
import numpy as np
import pytest
from atlases import IMAGES as IMAGES_OF_ALL
from atlases import build, differences
from faults import Killed
from forked import Forked
from PIL import Image

from jatlas.build import _icons, status
from jatlas.build import _sharing as sharing
from jatlas.cli import _joining as joining
from jatlas.cli import main
from jatlas.cli._cluster import ClusterOptions
from jatlas.storage import FOLDER, load
from jatlas.types import Processes, progress_bar
from jatlas.types import _processes as processes

IMAGES = 700  # in three segments
ICONS = ("--icon-size", "12", "--view-size", "10", "--steps", "2", "--chunk", "1")
# Whatever the share, icons are rendered by the program of one process.
BUILD = (
    "--network", "tiny", "--layer", "conv1", "--layer", "conv2", "--grid", "5", "--min-count", "3",
    "--layout.epochs", "30", *ICONS,
)  # fmt: skip
CLASS = (
    "2",
    "--layer",
    "conv2",
    "--size",
    "4",
    "--rule",
    "magnitude",
    "--max-samples",
    "200",
    *ICONS,
)
MOVED = ("--map", "conv2", "--grid", "5", "--seed", "1", *ICONS)


FIRST_HOST = "10.99.0.1"


@dataclasses.dataclass
class Team:
    """Processes that run one command."""

    members: list[Forked]

    def end(self) -> list[tuple[int, str, str]]:
        """Return the exit code, stdout and stderr of each."""
        return [each.end() for each in self.members]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Team]]:
    """Return a function that starts a command in several processes; none outlives the test."""
    teams: list[Team] = []

    def run(
        count: int,
        *arguments: str | Path,
        own: dict[int, tuple[str, ...]] | None = None,
        hosts: tuple[str, ...] = (),
    ) -> Team:
        address = f"{FIRST_HOST if hosts else '127.0.0.1'}:{free_port()}"
        members = []
        for index in range(count):
            words = [os.fspath(word) for word in arguments]
            if count > 1:
                words += ["--coordinator", address]
                words += ["--processes", str(count), "--process", str(index)]
            words += (own or {}).get(index, ())
            folder = tmp_path_factory.mktemp("said") / str(index)
            host = hosts[index % len(hosts)] if hosts else ""
            members.append(Forked(cluster_script.run, words, folder=folder, host=host))
        teams.append(Team(members))
        return teams[-1]

    yield run
    for team in teams:
        for member in team.members:
            member.kill()


@pytest.fixture
def hosts() -> Iterator[tuple[str, ...]]:
    """Yield the names of two hosts, network namespaces; none where they cannot be made."""
    names = [f"jatlas-{os.getpid()}-{index}" for index in range(2)]
    ends = [f"j{os.getpid()}-{index}" for index in range(2)]

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    with contextlib.ExitStack() as made:
        try:
            for name in names:
                ip("netns", "add", name)
                made.callback(ip, "netns", "delete", name)
            cable = ("type", "veth", "peer", "name", ends[1], "netns", names[1])
            ip("link", "add", "name", ends[0], "netns", names[0], *cable)
            for index, (name, end) in enumerate(zip(names, ends, strict=True)):
                ip("-n", name, "addr", "add", f"{FIRST_HOST[:-1]}{index + 1}/24", "dev", end)
                ip("-n", name, "link", "set", end, "up")
                ip("-n", name, "link", "set", "lo", "up")
        except (OSError, subprocess.CalledProcessError):
            yield ()
        else:
            yield tuple(names)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def photos(shared: Callable[..., Path]) -> Path:
    """A folder of more images than one segment takes, one of them damaged."""

    def make(folder: Path) -> None:
        folder.mkdir()
        rng = np.random.default_rng(3)
        for number in range(IMAGES):
            coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
            Image.fromarray(coarse).resize((20, 20)).save(folder / f"{number:03d}.png")
        (folder / "300.png").write_bytes(b"no picture")

    return shared("photos", make)


@pytest.fixture
def alone(photos: Path, shared: Callable[..., Path], start: Callable[..., Team]) -> Path:
    """What one process makes: an atlas, and the same one with more maps; not to be changed."""

    def make(folder: Path) -> None:
        more = folder / "more"
        builds = [("build", photos, "--out", out, *BUILD, "--") for out in (folder / "atlas", more)]
        words = (*builds[0], *builds[1], "class", more, *CLASS, "--", "render", more, *MOVED)
        ((code, _, errors),) = start(1, *words).end()
        assert code == 0, errors

    return shared("alone", make)


def wait_for(found: Callable[[], Any], team: Team) -> None:
    while not found():
        assert all(each.poll() is None for each in team.members), team.end()
        time.sleep(0.01)


def quiet(results: list[tuple[int, str, str]]) -> bool:
    """Return whether the first process alone has said anything."""
    return all(output + errors == "" for _, output, errors in results[1:])


@pytest.mark.slow
def test_three_processes_on_hosts_that_share_nothing_but_a_place_make_what_one_makes(
    photos: Path,
    alone: Path,
    tmp_path: Path,
    start: Callable[..., Team],
    hosts: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scratch, out = tmp_path / "scratch", tmp_path / "bucket" / "atlas"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    url = f"file://{out.as_posix()}"
    results = start(3, "build", photos, "--out", url, *BUILD, hosts=hosts).end()
    assert [code for code, *_ in results] == [0] * 3, results
    assert quiet(results)
    assert "skipped 300.png: " in results[0][2] and f"{IMAGES}/{IMAGES}" in results[0][2]
    assert differences(out, alone / "atlas") == []
    assert not list(scratch.glob("jatlas-*"))  # no copy is left


@pytest.mark.slow
def test_a_loss_stops_the_others_and_any_number_resumes(
    photos: Path, alone: Path, tmp_path: Path, start: Callable[..., Team]
) -> None:
    out = tmp_path / "atlas"
    team = start(3, "build", photos, "--out", out, *BUILD)
    wait_for(lambda: list((out / FOLDER).glob("conv1-icons-*")), team)
    team.members[2].kill()
    results = team.end()
    assert [code for code, *_ in results] == [2, 2, -signal.SIGKILL], results
    assert quiet(results)
    said = f"jatlas: process 2 on {socket.gethostname()} is gone; the same command resumes\n"
    assert results[0][2].endswith(said) and results[0][2].count("jatlas: ") == 1
    found = status(out)
    assert not found.complete and found.holder["gone"]
    assert [x.done for x in found.stages if x.what == "images"] == [IMAGES, IMAGES]

    before = {path.name: path.stat().st_mtime_ns for path in (out / FOLDER).glob("*.npz")}
    team = start(2, "build", photos, "--out", out, *BUILD)
    wait_for(lambda: list((out / FOLDER).glob("conv2-icons-*")), team)
    after = {path.name: path.stat().st_mtime_ns for path in (out / FOLDER).glob("*.npz")}
    kept = [name for name in before if "targets" not in name]  # which is written again
    assert {name: before[name] for name in kept}.items() <= after.items()
    results = team.end()
    assert [code for code, *_ in results] == [0] * 2, results
    assert differences(out, alone / "atlas") == []


@pytest.mark.slow
def test_without_the_process_that_leads_the_others_stop(
    photos: Path, tmp_path: Path, start: Callable[..., Team]
) -> None:
    out = tmp_path / "atlas"
    team = start(2, "build", photos, "--out", out, *BUILD)
    wait_for(lambda: list((out / FOLDER).glob("conv1-samples-*")), team)
    team.members[0].kill()
    code, output, errors = team.end()[1]
    assert code == 2 and output == ""
    assert (
        errors == f"jatlas: process 0 on {socket.gethostname()} is gone; the same command resumes\n"
    )


@pytest.mark.slow
def test_processes_can_read_real_weights(
    photos: Path, tmp_path: Path, start: Callable[..., Team]
) -> None:
    """Orbax, which reads them, has the processes of a program meet."""
    wrong = ("--network", "textures", "--layer", "none")
    results = start(2, "build", photos, "--out", tmp_path / "atlas", *wrong).end()
    assert [code for code, *_ in results] == [2, 2]
    assert "textures has no layer 'none'; it has: " in results[0][2]


@pytest.mark.slow
def test_processes_must_build_the_same(
    photos: Path, tmp_path: Path, start: Callable[..., Team]
) -> None:
    out = tmp_path / "atlas"
    others = {1: ("--seed", "1")}
    results = start(2, "build", photos, "--out", out, *BUILD, own=others).end()
    assert [code for code, *_ in results] == [2, 2]
    assert quiet(results)
    assert results[0][2].endswith(
        f"jatlas: process 1 on {socket.gethostname()}: it was started with other settings "
        "than process 0: seed: [0, 0] there, [0, 1] now; once that is put right, the same "
        "command resumes\n"
    )


@pytest.mark.slow
def test_processes_add_the_maps_that_one_adds(
    alone: Path, tmp_path: Path, start: Callable[..., Team]
) -> None:
    out = tmp_path / "atlas"
    shutil.copytree(alone / "atlas", out)
    for command in (("class", out, *CLASS), ("render", out, *MOVED)):
        results = start(2, *command).end()
        assert [code for code, *_ in results] == [0, 0], results
        assert quiet(results)
    assert differences(out, alone / "more") == []


def test_shares_are_all_there_is_in_order() -> None:
    team = object.__new__(Processes)
    for count in (1, 2, 3, 7):
        for total in (0, 1, 5, 100):
            shares = []
            for index in range(count):
                team.index, team.count = index, count
                shares.append(range(total)[team.share(total)])
            assert [item for share in shares for item in share] == list(range(total))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


class FakeService:
    """The coordination service, for one process."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = False) -> None:
        assert allow_overwrite or key not in self.values
        self.values[key] = value

    def key_value_dir_get(self, key: str) -> list[tuple[str, str]]:
        return [item for item in self.values.items() if item[0].startswith(key)]

    def blocking_key_value_get(self, key: str, timeout: int) -> str:
        if key not in self.values:
            raise jax.errors.JaxRuntimeError("DEADLINE_EXCEEDED")
        return self.values[key]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    fake = FakeService()
    monkeypatch.setattr(processes, "client", lambda: fake)
    monkeypatch.setattr(processes, "process_count", lambda: 2)
    return fake


def test_the_progress_is_that_of_all(
    service: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    team = Processes()

    def work() -> None:
        team.whole = 2.0
        with progress_bar(
            None, shown=True, total=10, desc="icons", unit="icon", processes=team
        ) as bar:
            bar.update(10)
        prefix = team._prefix
        service.key_value_set(f"{prefix}/count/0/1", "=7")
        service.key_value_set(f"{prefix}/done/0/1", "=")

    with team.leading({"work": lambda: work()}):
        team.call("work")
    assert "17/20" in capsys.readouterr().err


def test_what_fails_elsewhere_is_an_error(service: FakeService) -> None:
    team = Processes()

    def work(number: int) -> None:
        service.key_value_set(f"{team._prefix}/done/0/1", "=process 1 on b: no space")

    with (
        pytest.raises(processes.ProcessError, match=r"^process 1 on b: no space$"),
        team.leading({"work": work}),
    ):
        team.call("work", number=3)
    last = [value for key, value in service.values.items() if "/task/" in key][-1]
    assert last == '={"failed": "process 1 on b: no space"}'


@pytest.mark.parametrize("waits", [True, False])
def test_none_waits_for_or_works_without_one_that_failed(waits: bool, service: FakeService) -> None:
    team = Processes()

    def work() -> None:
        service.key_value_set(f"{team._prefix}/failed/1", "=process 1 on b: no such folder")
        if not waits:
            team._reported = -1e9  # a while ago
            team.count_done(1)
            raise AssertionError("it went on")

    with (
        pytest.raises(processes.ProcessError, match=r"^process 1 on b: no such folder$"),
        team.together(),
        team.leading({"work": work}),
    ):
        team.call("work")
    # Others, which may see this one's first, hear whose it was.
    assert service.values[f"{team._prefix}/failed/0"] == "=process 1 on b: no such folder"


def test_a_failure_before_anything_is_shared_is_told(service: FakeService) -> None:
    team = Processes()
    with pytest.raises(OSError, match="read-only"), team.together():
        raise OSError("read-only")
    told = service.values[f"{team._prefix}/failed/0"]
    assert told == f"=process 0 on {socket.gethostname()}: read-only"


def test_a_port_in_use_and_an_unknown_host_are_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            ValueError, match=r"coordinator: port \d+ of this host cannot be opened"
        ):
            joining.join(address, 2, 0, lost_after=8)
    with pytest.raises(ValueError, match=r"coordinator: the host 'nowhere\.invalid' is not known"):
        joining.join("nowhere.invalid:7000", 2, 1, lost_after=8)


def test_an_output_of_its_own_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_PATIENCE", 0.2)
    sharing._place(tmp_path / "here", "1").put({"here": np.array(True)})
    sharing._check_shared(tmp_path / "here", "1")
    for folder, session in ((tmp_path / "there", "1"), (tmp_path / "here", "2")):
        with pytest.raises(ValueError, match="is not the folder that process 0 writes to"):
            sharing._check_shared(folder, session)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"processes": 2, "process": 0}, "processes, process: expected a coordinator, HOST:PORT"),
        ({"coordinator": "host"}, "coordinator: expected HOST:PORT, got 'host'"),
        ({"coordinator": ":80"}, "coordinator: expected HOST:PORT"),
        ({"coordinator": "host:0"}, "coordinator: expected HOST:PORT"),
        ({"coordinator": "host:80", "processes": 2}, "processes, process: expected both or none"),
        (
            {"coordinator": "host:80", "processes": 0, "process": 0},
            "processes: expected at least 1, got 0",
        ),
        (
            {"coordinator": "host:80", "processes": 2, "process": 2},
            "process: expected 0 to 1, got 2",
        ),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClusterOptions(**options)


SLURM = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "node[1-2]", "SLURM_PROCID": "0"}


@pytest.mark.parametrize(
    ("environment", "launched"),
    [
        ({}, False),
        (SLURM | {"SLURM_NTASKS": "2"}, True),
        (SLURM | {"SLURM_NTASKS": "1"}, False),
        (SLURM | {"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"}, False),  # a script that starts one itself
        ({"OMPI_COMM_WORLD_SIZE": "1"}, False),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:4"}, True),
    ],
    ids=str,
)
def test_launchers_are_noticed(
    environment: dict[str, str], launched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("SLURM_", "OMPI_"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert joining.launched() is launched


def test_a_launcher_that_says_too_little_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.delenv("OMPI_MCA_orte_hnp_uri", raising=False)
    with pytest.raises(ValueError, match="add --coordinator HOST:PORT --processes"):
        joining.launched()


def test_the_status_tells_what_is_done(
    images: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "atlas"

    def stop(*arguments: Any, **named: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(_icons, "to_uint8", stop)  # once the first icons are rendered
        build(images, out)
    found = status(out)
    assert not found.complete and not found.maps and found.holder["pid"] == os.getpid()
    assert [(x.layer, x.what, x.size, x.done) for x in found.stages] == [
        ("conv1", "images", None, IMAGES_OF_ALL),
        ("conv1", "layout", None, 1),
        ("conv1", "icons", 2, 0),
        ("conv1", "icons", 3, 0),
        ("conv2", "images", None, IMAGES_OF_ALL),
        ("conv2", "layout", None, 0),
        ("conv2", "icons", 2, 0),
        ("conv2", "icons", 3, 0),
    ]
    totals = [x.total for x in found.stages if x.what == "icons"]
    cells = [len(grid.cells) for grid in load(whole).layer("conv1").grids]
    assert totals == [*cells, None, None]
    assert main(["status", str(out)]) == 0
    assert f"images           {IMAGES_OF_ALL} of {IMAGES_OF_ALL} (100 %)" in capsys.readouterr().out


def test_the_status_of_an_atlas_is_that_it_is_there(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(whole)]) == 0
    assert capsys.readouterr().out == f"{whole}: an atlas of conv1, conv2\n"
    assert status(whole).stages == ()
    assert main(["status", str(tmp_path)]) == 2
    assert "there is no atlas, and none is being built" in capsys.readouterr().err
