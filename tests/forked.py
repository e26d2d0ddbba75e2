"""Processes that find jatlas imported, which takes two seconds of a process of its own."""

import atexit
import ctypes
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What starts no thread can be forked once it is imported; JAX starts some when it is first used.
CONTEXT = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
CONTEXT.set_forkserver_preload(["jatlas.cli.build", "jatlas.cli._session"])
NEW_NETWORK = 0x40000000  # of setns: a namespace of the network


class Forked:
    """A process that runs a function of a module, as a script would; JAX starts in it."""

    def __init__(
        self, function: Callable[..., int | None], *arguments: Any, folder: Path, host: str = ""
    ) -> None:
        """Start it.

        Args:
          function: what it runs; its exit code is what this returns, None for 0.
          arguments: those of the function.
          folder: a new one, for what it says.
          host: the namespace whose network it has.
        """
        self.folder = folder
        folder.mkdir()
        given = (function, arguments, folder, dict(os.environ), host)
        self._process: Any = CONTEXT.Process(target=_run, args=given)
        self._process.start()

    def poll(self) -> int | None:
        """Return the exit code, or None if the process runs."""
        code: int | None = self._process.exitcode
        return code

    def kill(self) -> None:
        """End it at once, and wait until it has ended."""
        self._process.kill()
        self._process.join()

    def end(self) -> tuple[int, str, str]:
        """Wait for the process; return its exit code, stdout and stderr."""
        self._process.join(300)
        code = self.poll()
        assert code is not None, "it runs for more than five minutes"
        out, error = ((self.folder / name).read_text() for name in ("stdout", "stderr"))
        return code, out, error


def _run(
    function: Callable[..., int | None],
    arguments: tuple[Any, ...],
    folder: Path,
    environment: dict[str, str],
    host: str,
) -> None:
    for stream, name in ((1, "stdout"), (2, "stderr")):
        with (folder / name).open("wb") as file:
            os.dup2(file.fileno(), stream)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    if host:
        _enter(host)
    try:
        code = function(*arguments)
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()  # which a process of multiprocessing leaves out
    sys.exit(code)


def _enter(host: str) -> None:
    """Take the network of a namespace."""
    with (Path("/var/run/netns") / host).open() as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"cannot enter the network of {host}")
