"""The command line."""

from __future__ import annotations

import dataclasses
import errno
import functools
import importlib
import logging
import operator
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import tyro
from tyro.conf import subcommand

from jatlas.cli._streams import discard_output, prepare_streams

_DESCRIPTION = "Build and read activation atlases."
_EXPECTED = (ValueError, OSError, ImportError, MemoryError)
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141  # what the shell reports of a process that SIGPIPE ended


class _Command(NamedTuple):
    """Where a command is, and its summary: to list commands, none of them is imported."""

    module: str
    name: str
    summary: str


COMMANDS = {
    "demo": _Command(
        "demo",
        "Demo",
        "Build an atlas from nothing: images and network are jatlas's own. Needs no internet.",
    ),
    "build": _Command(
        "build", "Build", "Build an activation atlas of images: a folder of them, or a data set."
    ),
    "status": _Command(
        "status",
        "StatusCommand",
        "Tell how far a build is: what is done of each stage, and who is at work.",
    ),
    "class": _Command(
        "class_map", "Class", "Add a map of the samples that matter for a class to an atlas."
    ),
    "compare": _Command(
        "compare",
        "Compare",
        "Add a map of two classes to an atlas: samples that matter for either, from left to right.",
    ),
    "patch": _Command(
        "patch", "Patch", "Test whether patches turn images of one class into another."
    ),
    "look": _Command(
        "look", "Look", "Show one image as a layer sees it, and where that lies on an atlas."
    ),
    "walk": _Command(
        "walk",
        "Walk",
        "Show what lies on a straight line through the map of a layer, as a row of icons.",
    ),
    "render": _Command(
        "render",
        "Render",
        "Render the icons of an atlas again, with other settings, or one cell larger.",
    ),
    "check": _Command(
        "check",
        "Check",
        "Measure how far each cell of an atlas can be trusted, and name those that mislead most.",
    ),
    "view": _Command(
        "view", "View", "Show an atlas in the browser, until Ctrl-C. Nothing leaves this machine."
    ),
    "export": _Command(
        "export",
        "Export",
        "Write an atlas as a page, one file to send or a folder to publish, a figure or a table.",
    ),
    "bench": _Command("bench", "Bench", "Measure how fast this machine makes an atlas."),
    "weights": _Command("weights", "Weights", "Get the weights of the known networks."),
}


def parse(args: Sequence[str]) -> Any:
    """Return the command that arguments ask for, with its settings.

    Only its module is imported, and none to list the commands: JAX alone takes most of a second.

    Args:
      args: what follows `jatlas`.

    Raises:
      ValueError: for an empty argument.
      SystemExit: after printing the help, or what is wrong with the arguments.
    """
    if "" in args:
        raise ValueError("an argument is empty: is a shell variable unset?")
    name = args[0] if args else ""
    if name in COMMANDS:
        return tyro.cli(_load(COMMANDS[name]), prog=f"jatlas {name}", args=args[1:])
    whole = name.startswith("--tyro-")  # such as a script that completes the words of all commands
    kinds = [_load(command) if whole else _Unloaded for command in COMMANDS.values()]
    listed = [
        Annotated[kind, subcommand(each, description=COMMANDS[each].summary)]
        for each, kind in zip(COMMANDS, kinds, strict=True)
    ]
    every: Any = functools.reduce(operator.or_, listed)
    return tyro.cli(every, prog="jatlas", description=_DESCRIPTION, args=args)


@dataclasses.dataclass(frozen=True)
class _Unloaded:
    """Stands for a command where commands are only listed."""


def _load(command: _Command) -> Any:
    return getattr(importlib.import_module(f"jatlas.cli.{command.module}"), command.name)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    Errors that the user can do something about are printed in one line, with exit code 2; set
    JATLAS_DEBUG to see the traceback.
    """
    prepare_streams()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("jatlas").setLevel(logging.INFO)
    resumes = False
    try:
        try:
            command = parse(sys.argv[1:] if args is None else args)
            resumes = getattr(command, "resumes", False)
            from jatlas.cli._session import keep_compiled  # the command has imported it

            keep_compiled()
            command.run()
        finally:
            sys.stdout.flush()  # an error is one of the command, not of Python's exit
    except KeyboardInterrupt:
        print(
            f"jatlas: interrupted{'; the same command resumes' if resumes else ''}", file=sys.stderr
        )
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # such as that of `| head`: nobody is left to tell
        discard_output()
        return EXIT_PIPE
    except Exception as error:
        if os.environ.get("JATLAS_DEBUG") or not isinstance(
            error, (*_EXPECTED, *_of_jax(), *_of_processes())
        ):
            raise
        print(f"jatlas: {_message(error, resumes=resumes)}", file=sys.stderr)
        return EXIT_USAGE
    return 0


def _of_jax() -> tuple[type[Exception], ...]:
    """Return the error of a device, if JAX has been imported."""
    jax = sys.modules.get("jax")
    return () if jax is None else (jax.errors.JaxRuntimeError,)


def _of_processes() -> tuple[type[Exception], ...]:
    """Return the error of a process that shares a command, if there can be any."""
    types = sys.modules.get("jatlas.types")
    return () if types is None else (types.ProcessError,)


def _message(error: Exception, *, resumes: bool) -> str:
    from jatlas.types import one_line  # with it comes JAX

    text = str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"no space left to write ({error}): free some, or choose another place, and run the "
            f"same command again{': it resumes' if resumes else ''}"
        )
    if isinstance(error, MemoryError):
        return f"out of memory ({one_line(error)}): use a smaller size or batch"
    if isinstance(error, _of_jax()):
        first = one_line(error)
        if "RESOURCE_EXHAUSTED" in text:
            return f"the device has no memory left ({first}): use a smaller --chunk or --batch-size"
        return f"the device failed ({first}): JATLAS_DEBUG=1 shows where"
    if isinstance(error, _of_processes()) and resumes:
        first = "" if text.endswith((" is gone", ": interrupted")) else "once that is put right, "
        return f"{text}; {first}the same command resumes"
    return text
