"""The command line."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import jax
import tyro
from tyro.conf import subcommand

from jatlas.cli._session import discard_output, keep_compiled, prepare_streams
from jatlas.cli.bench import Bench
from jatlas.cli.build import Build
from jatlas.cli.class_map import Class
from jatlas.cli.compare import Compare
from jatlas.cli.demo import Demo
from jatlas.cli.export import Export
from jatlas.cli.look import Look
from jatlas.cli.patch import Patch
from jatlas.cli.render import Render
from jatlas.cli.view import View
from jatlas.cli.walk import Walk
from jatlas.cli.weights import Weights
from jatlas.types import one_line

_EXPECTED = (ValueError, OSError, ImportError, MemoryError, jax.errors.JaxRuntimeError)
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141  # what the shell reports of a process that SIGPIPE ended

_Command = (
    Annotated[Demo, subcommand("demo")]
    | Annotated[Build, subcommand("build")]
    | Annotated[Class, subcommand("class")]
    | Annotated[Compare, subcommand("compare")]
    | Annotated[Patch, subcommand("patch")]
    | Annotated[Look, subcommand("look")]
    | Annotated[Walk, subcommand("walk")]
    | Annotated[Render, subcommand("render")]
    | Annotated[View, subcommand("view")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Bench, subcommand("bench")]
    | Annotated[Weights, subcommand("weights")]
)


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
            if "" in (sys.argv[1:] if args is None else args):
                raise ValueError("an argument is empty: is a shell variable unset?")
            command = tyro.cli(_Command, prog="jatlas", description=__doc__, args=args)
            resumes = getattr(command, "resumes", False)
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
    except _EXPECTED as error:
        if os.environ.get("JATLAS_DEBUG"):
            raise
        print(f"jatlas: {_message(error, resumes=resumes)}", file=sys.stderr)
        return EXIT_USAGE
    return 0


def _message(error: Exception, *, resumes: bool) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"no space left to write ({error}): free some, or choose another place, and run the "
            f"same command again{': it resumes' if resumes else ''}"
        )
    if isinstance(error, MemoryError):
        return f"out of memory ({one_line(error)}): use a smaller size or batch"
    if isinstance(error, jax.errors.JaxRuntimeError):
        first = one_line(error)
        if "RESOURCE_EXHAUSTED" in text:
            return f"the device has no memory left ({first}): use a smaller --chunk or --batch-size"
        return f"the device failed ({first}): JATLAS_DEBUG=1 shows where"
    return text
