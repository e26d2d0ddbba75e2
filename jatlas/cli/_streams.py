"""The standard streams of commands."""

import contextlib
import io
import os
import sys


def prepare_streams() -> None:
    """Make stdout and stderr take any text, whatever their encoding, and be there."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, or a Windows program without a console
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif name == "stdout" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def discard_output() -> None:
    """Have Python's exit write to nowhere what is still to be printed."""
    with contextlib.suppress(OSError, ValueError):  # not a file, as under pytest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
