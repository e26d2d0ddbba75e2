"""How a process joins the others, before JAX starts, and what it says if it cannot."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import importlib.util
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import jax

from jatlas.types import process_count

_STARTED_WITHIN = 300  # seconds, from the first process to the last
_SILENT_FOR = 30  # seconds of waiting that nothing is said about
EXIT_LOST = 2
EXIT_INTERRUPTED = 130


def join(
    coordinator: str | None, processes: int | None, process: int | None, *, lost_after: int
) -> bool:
    """Join the other processes, before JAX starts; return whether there are any.

    Args:
      coordinator: HOST:PORT of process 0; None for what the launcher says, if there is one.
      processes: how many there are.
      process: number of this one.
      lost_after: seconds without a sign of life after which a process counts as lost.

    Raises:
      ValueError: if the others cannot be joined.
    """
    if coordinator is None and not launched():
        return False
    if coordinator is not None:
        _check_address(coordinator, listens=process == 0)
    jax.config.update("jax_enable_recoverability", True)  # else a loss is an abort of all others
    jax.config.update("jax_enable_preemption_service", False)
    of = "" if processes is None else f" {processes}"
    at = "" if coordinator is None else f" at {coordinator}"

    def initialize() -> None:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            cluster_detection_method=None if processes is None else "deactivate",
            initialization_timeout=_STARTED_WITHIN,
            heartbeat_timeout_seconds=lost_after,
        )

    with _quiet() as stderr:
        late = (
            f"jatlas: cannot join the other processes: not all{of} met{at} within "
            f"{_STARTED_WITHIN} s, or two have the same number\n"
        )
        waiting = (
            f"jatlas: waiting for the other processes: all{of} have to start within "
            f"{_STARTED_WITHIN} s, and reach process 0{at}\n"
        )
        with when_aborted(lambda: _leave(stderr, late, EXIT_LOST)):
            _call(initialize, stderr, waiting)
    if process_count() > 1:
        return True
    jax.distributed.shutdown()
    return False


def launched() -> bool:
    """Return whether a launcher has started several processes, or this is a host of a TPU pod."""
    names = os.environ
    if "SLURM_PROCID" in names and "SLURM_STEP_NODELIST" in names:
        return int(names.get("SLURM_STEP_NUM_TASKS", names.get("SLURM_NTASKS", "1"))) > 1
    if int(names.get("OMPI_COMM_WORLD_SIZE", "1")) > 1:
        if "OMPI_MCA_orte_hnp_uri" in names:
            return True
        raise ValueError(
            "Open MPI 5 does not say where process 0 is: add --coordinator HOST:PORT --processes "
            "$OMPI_COMM_WORLD_SIZE --process $OMPI_COMM_WORLD_RANK"
        )
    if names.get("JAX_PLATFORMS", "tpu").partition(",")[0] != "tpu":
        return False
    if importlib.util.find_spec("libtpu") is None:
        return False
    from jax._src import cloud_tpu_init

    return bool(getattr(cloud_tpu_init, "running_in_cloud_tpu_vm", False))


@contextlib.contextmanager
def when_aborted(act: Callable[[], None]) -> Iterator[None]:
    """Call a function, which must end the process, if JAX aborts it in the block.

    An abort is how JAX's runtime reports that a process is late or gone: no exception is raised.
    """
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: act())
    try:
        library = ctypes.CDLL(None)
        library.signal(int(signal.SIGABRT), handler)
    except (OSError, AttributeError, TypeError):  # another C library
        yield
        return
    try:
        yield
    finally:
        library.signal(int(signal.SIGABRT), None)


def silence(outputs: tuple[int, ...] = (1, 2)) -> int:
    """Have what this process prints, and what libraries do, go nowhere; return its own stderr."""
    own = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    for output in outputs:
        os.dup2(nowhere, output)
    os.close(nowhere)
    return own


@contextlib.contextmanager
def _quiet() -> Iterator[int]:
    """Have the runtime's remarks on how it was started go nowhere; yield this process's stderr."""
    if os.environ.get("JATLAS_DEBUG"):
        yield 2
        return
    own = silence(outputs=(2,))
    try:
        yield own
    finally:
        os.dup2(own, 2)
        os.close(own)


def _check_address(coordinator: str, *, listens: bool) -> None:
    """Raise ValueError for an address at which JAX would crash, or try for minutes."""
    host, _, port = coordinator.rpartition(":")
    try:
        socket.getaddrinfo(host.strip("[]"), int(port))
    except OSError as error:
        raise ValueError(f"coordinator: the host {host!r} is not known ({error})") from error
    if not listens:
        return
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        socket.create_server(("", int(port)), family=family, dualstack_ipv6=both).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ValueError(
            f"coordinator: port {port} of this host cannot be opened ({reason}): choose another one"
        ) from error


def _call(initialize: Callable[[], None], stderr: int, waiting: str) -> None:
    """Call what blocks outside Python, so that Ctrl-C is noticed; tell if it takes long."""
    outcome: concurrent.futures.Future[None] = concurrent.futures.Future()

    def run() -> None:
        try:
            initialize()
            outcome.set_result(None)
        except BaseException as error:  # raised by the main thread
            outcome.set_exception(error)

    threading.Thread(target=run, name="jatlas-join", daemon=True).start()
    try:
        try:
            outcome.result(timeout=_SILENT_FOR)
        except TimeoutError:
            if not outcome.done():
                os.write(stderr, waiting.encode())
            outcome.result()
    except KeyboardInterrupt:  # the thread would keep the process
        _leave(stderr, "jatlas: interrupted\n", EXIT_INTERRUPTED)
    except Exception as error:  # of several kinds, by launcher and cause
        reason = " ".join(str(error).split())
        raise ValueError(f"cannot join the other processes: {reason}") from error


def _leave(stderr: int, line: str, code: int) -> None:
    """Say a line, and end the process at once."""
    os.write(stderr, line.encode())
    os._exit(code)
