"""`jatlas demo`, but for the atlas it makes: see `test_readme.py`."""

import webbrowser
from pathlib import Path

import pytest

from jatlas.cli import demo


def test_the_page_is_opened_if_there_is_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(webbrowser, "get", lambda: None)
    demo._open(tmp_path / "index.html")
    assert opened == [(tmp_path / "index.html").as_uri()]

    def none_here() -> None:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", none_here)
    caplog.set_level("INFO", logger="jatlas")
    demo._open(tmp_path / "index.html")
    assert len(opened) == 1 and "there is no browser here" in caplog.text
