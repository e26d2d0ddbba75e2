"""What a place by URL holds while an atlas there is replaced: the old one or the new one."""

from pathlib import Path
from typing import Any

import pytest
from faults import Killed
from test_remote import forget
from test_remote import url as url  # a fixture

from jatlas.storage import Remote, local, working_folder


@pytest.mark.slow
def test_whatever_is_interrupted_an_atlas_is_the_old_or_the_new_one(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"atlas.json": b"1", "a/x": b"old", "a/y": b"old", "page": b"same", "b": b"gone"}
    new = {"atlas.json": b"2", "a/x": b"new!", "a/y": b"new!", "page": b"same", "c": b"more"}
    left = 0

    def count(name: str) -> None:
        real = getattr(type(Remote.open(url).fs), name)

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return real(*arguments, **options)

        monkeypatch.setattr(type(Remote.open(url).fs), name, counted)

    for name in ("put_file", "cp_file", "mv", "rm_file"):
        count(name)
    seen = []
    for at in range(1, 100):
        forget()
        put(url, old)
        forget()
        left = at
        killed = False
        try:
            put(url, new)
        except Killed:
            killed = True
        left = 0
        Remote.open(url).within(".jatlas").remove("holder.json")  # of a process that is gone
        forget()
        found = {name: file.read_bytes() for name, file in files_of(local(url)).items()}
        seen.append(found["atlas.json"])
        wanted = old if found["atlas.json"] == b"1" else new
        extra = {} if wanted is new else {name: found[name] for name in found.keys() - old.keys()}
        assert found == wanted | extra, (at, found)
        forget()
        put(url, new)  # the same command
        assert {name: Remote.open(url).read(name) for name in Remote.open(url).names()} == new
        if not killed:
            break
    assert set(seen) == {b"1", b"2"} and at > 8


def put(url: str, content: dict[str, bytes]) -> None:
    """Make an atlas at a URL another one."""
    with working_folder(local(url)) as folder:
        for name, file in files_of(folder.parent).items():
            if name not in content:
                file.unlink()
        for name, data in content.items():
            path = folder.parent / name
            path.parent.mkdir(exist_ok=True)
            if not path.exists() or path.read_bytes() != data:
                path.write_bytes(data)


def files_of(folder: Path) -> dict[str, Path]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {x: path for x, path in found.items() if path.is_file() and not x.startswith(".jatlas")}
