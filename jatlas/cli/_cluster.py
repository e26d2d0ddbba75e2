"""Commands that several processes share: how a process joins the others, and notices their loss."""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import dataclasses
import importlib.util
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import jax

from jatlas.storage import FOLDER, remove_copies, working_folder
from jatlas.types import ProcessError, client, meet, process_count, process_index

_LOST_AFTER = 25  # seconds without a sign of life
_LOOK_EVERY = 2.0  # seconds between looks at the others
_GRACE = 15  # seconds that an interrupted process has to end by itself
_STARTED_WITHIN = 300  # seconds, from the first process to the last
_FAILED = "jatlas/failed"
_HOST = "jatlas/host"
EXIT_LOST = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """How several processes share a command. On a TPU pod and under Slurm they find each other.

    Attributes:
      coordinator: HOST:PORT at which process 0 can be reached by the others.
      processes: how many there are. Without it, what the launcher says.
      process: number of this one, from 0. Without it, what the launcher says.
    """

    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None

    def __post_init__(self) -> None:
        """Check that what belongs together is there."""
        if self.coordinator is None and (self.processes, self.process) != (None, None):
            raise ValueError("processes, process: expected a coordinator, HOST:PORT, with them")
        if self.coordinator is not None and not _is_address(self.coordinator):
            raise ValueError(f"coordinator: expected HOST:PORT, got {self.coordinator!r}")
        if (self.processes is None) != (self.process is None):
            raise ValueError("processes, process: expected both or none")
        if self.processes is not None and self.process is not None:
            if self.processes < 1:
                raise ValueError(f"processes: expected at least 1, got {self.processes}")
            if not 0 <= self.process < self.processes:
                raise ValueError(f"process: expected 0 to {self.processes - 1}, got {self.process}")


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


@contextlib.contextmanager
def joined(options: ClusterOptions) -> Iterator[None]:
    """Be one of the processes that share a command, if there are several, until the block ends.

    The one that leads speaks; the others are silent. The block ends well only once all have come
    to its end. If one fails or is lost, the others stop within a minute.

    Args:
      options: of the command.

    Raises:
      ValueError: if the others cannot be joined.
      ProcessError: in the process that leads, if another one fails or is lost.
    """
    if not _join(options):
        yield
        return
    member = _Member()
    try:
        yield
    except BaseException as error:
        member.fail(error)
        if member.reason is None:
            raise
        raise ProcessError(member.reason) from error
    member.leave()


@contextlib.contextmanager
def shared_folder(target: Path) -> Iterator[tuple[Path, bool]]:
    """Hold the working folder of an output for all processes that share a command.

    Args:
      target: the output folder.

    Yields:
      The working folder, and whether this process is the one that may write to the output.
    """
    index, count = process_index(), process_count()
    if count == 1:
        with working_folder(target) as folder:
            yield folder, True
    elif index == 0:
        with working_folder(target) as folder:
            meet("folder is held")
            yield folder, True
            meet("folder is done with")
    else:
        meet("folder is held")
        yield target / FOLDER, False
        meet("folder is done with")


def _join(options: ClusterOptions) -> bool:
    """Join the other processes, before JAX starts; return whether there are any."""
    if options.coordinator is None and not _launched():
        return False
    jax.config.update("jax_enable_recoverability", True)  # else a loss is an abort of all others
    jax.config.update("jax_enable_preemption_service", False)
    try:
        with _quiet():
            jax.distributed.initialize(
                options.coordinator,
                options.processes,
                options.process,
                cluster_detection_method=None if options.processes is None else "deactivate",
                initialization_timeout=_STARTED_WITHIN,
                heartbeat_timeout_seconds=_LOST_AFTER,
            )
    except Exception as error:  # of several kinds, by launcher and cause
        reason = " ".join(str(error).split())
        raise ValueError(f"cannot join the other processes: {reason}") from error
    if process_count() > 1:
        return True
    jax.distributed.shutdown()
    return False


def _launched() -> bool:
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


class _Member:
    """This process among those that share a command.

    Attributes:
      reason: why the command cannot be finished; None as long as it can.
    """

    def __init__(self) -> None:
        """Be quiet unless this process leads, and watch the others."""
        self._client = client()
        self._index, self._count = process_index(), process_count()
        self.reason: str | None = None
        self._over = threading.Event()
        self._stderr = _silence() if self._index and not os.environ.get("JATLAS_DEBUG") else 2
        self._code = EXIT_LOST
        self._client.key_value_set(f"{_HOST}/{self._index}", socket.gethostname())
        if self._index:
            self._say_when_aborted()
        else:
            # Not SIGINT, which a shell has its background jobs ignore.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        threading.Thread(target=self._watch, name="jatlas-watch", daemon=True).start()

    def leave(self) -> None:
        """Wait for the others to come to the end."""
        meet("end")
        self._code = 0
        self._end()

    def fail(self, error: BaseException) -> None:
        """Tell the others that this process cannot go on."""
        reason = self.reason or f"{self._who(self._index)}: {error or type(error).__name__}"
        with contextlib.suppress(Exception):
            self._client.key_value_set(f"{_FAILED}/{self._index}", reason)
        self._over.set()
        if not self._index:
            time.sleep(2 * _LOOK_EVERY)  # the service ends with this process: let them see it
        self._end()

    def _end(self) -> None:
        self._over.set()
        with contextlib.suppress(Exception):
            jax.distributed.shutdown()

    def _watch(self) -> None:
        """Look at the others until the end, and stop this process if one fails or is lost."""
        while not self._over.wait(_LOOK_EVERY):
            try:
                failed = self._client.key_value_dir_get(f"{_FAILED}/")
                live = self._client.get_live_nodes(list(range(self._count)))
            except Exception:  # the service is gone, and with it the process that leads
                continue
            lost = sorted(set(range(self._count)) - set(live))
            if (failed or lost) and not self._over.wait(_LOOK_EVERY):  # unless it is the end
                self._stop(failed[0][1] if failed else f"{self._who(lost[0])} is gone")

    def _stop(self, reason: str) -> None:
        """End this process: by itself if it can, else after a while."""
        self.reason = reason
        if self._index:
            _exit(EXIT_LOST)
        _thread.interrupt_main(signal.SIGTERM)
        if not self._over.wait(_GRACE):
            print(f"\njatlas: {reason}; the same command resumes", file=sys.stderr, flush=True)
            _exit(EXIT_LOST)

    def _who(self, index: int) -> str:
        try:
            host = self._client.blocking_key_value_get(f"{_HOST}/{index}", 1000)
        except Exception:  # it may never have said
            return f"process {index}"
        return f"process {index} on {host}"

    def _say_when_aborted(self) -> None:
        """Have JAX's abort, which is how it ends when process 0 is gone, say so in one line."""
        line = f"jatlas: {self._who(0)} is gone; the same command resumes\n".encode()

        def say(number: int) -> None:
            del number
            if not self._over.is_set():
                os.write(self._stderr, line)
            _exit(self._code)

        with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
            library = ctypes.CDLL(None)
            self._handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(say)
            library.signal(int(signal.SIGABRT), self._handler)


def _exit(code: int) -> NoReturn:
    """End this process now, whatever its threads wait for; nothing but local copies is removed."""
    with contextlib.suppress(Exception):
        remove_copies()
    os._exit(code)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Have the runtime's remarks on how it was started go nowhere; errors are exceptions."""
    if os.environ.get("JATLAS_DEBUG"):
        yield
        return
    own = _silence(outputs=(2,))
    try:
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)


def _silence(outputs: tuple[int, ...] = (1, 2)) -> int:
    """Have what this process prints, and what libraries do, go nowhere; return its own stderr."""
    own = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for output in outputs:
        os.dup2(nowhere, output)
    os.close(nowhere)
    return own
