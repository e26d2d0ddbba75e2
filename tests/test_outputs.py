"""Where commands write: what cannot be written is said before anything is computed."""

from pathlib import Path

import pytest

from jatlas.cli import main
from jatlas.cli._outputs import check_figure
from jatlas.storage import check_file, check_folder


def test_what_can_be_made_is_no_error(tmp_path: Path) -> None:
    for path in (None, tmp_path / "new", tmp_path / "new" / "deeper" / "file"):
        check_file(path)
        check_folder(path)
    check_figure(tmp_path / "plot.PDF")
    assert not any(tmp_path.iterdir())


def test_what_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, error, message in (
        (tmp_path, IsADirectoryError, "is a folder: give the name of a file in it"),
        (tmp_path / "file" / "a" / "b", NotADirectoryError, "file is not a folder"),
        (tmp_path / ("a" * 300), OSError, "too long"),
        (tmp_path / ("a" * 300) / "b", OSError, "too long"),
    ):
        with pytest.raises(error, match=message):
            check_file(path)
    with pytest.raises(ValueError, match=r"plot\.xyz: expected a suffix of .*png"):
        check_figure(tmp_path / "plot.xyz")


def test_a_folder_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *arguments: False)  # root may write everywhere
    with pytest.raises(PermissionError, match="cannot be written to: choose another place than"):
        check_folder(tmp_path / "new")


@pytest.mark.parametrize(
    "words",
    [
        ["walk", "ATLAS", "--start", "0", "0", "--end", "1", "1", "--out", "FILE/x.png"],
        ["look", "ATLAS", "image.jpg", "--out", "FILE/x"],
        ["render", "ATLAS", "--cell", "0", "0", "--out", "FILE/x.png"],
        ["patch", "--source", "0", "--target", "1", "--patches", "p.png", "--images", "i.jpg",
         "--json", "FILE/x.json"],
        ["patch", "--source", "0", "--target", "1", "--patches", "p.png", "--images", "i.jpg",
         "--plot", "FILE/x.png"],
        ["bench", "layout", "--points", "10", "--json", "FILE/x.json"],
        ["bench", "suite", "--json", "FILE/x.json"],
    ],
)  # fmt: skip
def test_commands_try_their_outputs_first(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    file = str(tmp_path / "file")
    assert main([word.replace("FILE", file).replace("ATLAS", "nowhere") for word in words]) == 2
    said = capsys.readouterr().err
    assert f"{file} is not a folder" in said and said.count("\n") == 1
