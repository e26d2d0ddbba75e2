"""Commands that several processes share: how a process joins the others, and notices their loss."""

from __future__ import annotations

import _thread
import contextlib
import dataclasses
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

from jatlas.cli._joining import EXIT_INTERRUPTED, EXIT_LOST, join, silence, when_aborted
from jatlas.storage import FOLDER, remove_copies, working_folder
from jatlas.types import ProcessError, client, meet, process_count, process_index

_LOST_AFTER = 25  # seconds without a sign of life
_LOOK_EVERY = 2.0  # seconds between looks at the others
_GRACE = 15  # seconds that an interrupted process has to end by itself
_FAILED = "jatlas/failed"
_HOST = "jatlas/host"
_COUNT = "jatlas/count"
_LEFT = "jatlas/left"


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
    if not join(options.coordinator, options.processes, options.process, lost_after=_LOST_AFTER):
        yield
        return
    member = _Member()
    try:
        member.check_count()
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
        self._stderr = silence() if self._index and not os.environ.get("JATLAS_DEBUG") else 2
        self._code = EXIT_LOST
        self._aborted = contextlib.ExitStack()  # never left: JAX may abort as it shuts down
        self._client.key_value_set(f"{_HOST}/{self._index}", socket.gethostname())
        if self._index:
            self._say_when_aborted()
        else:
            # Not SIGINT, which a shell has its background jobs ignore.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        threading.Thread(target=self._watch, name="jatlas-watch", daemon=True).start()

    def check_count(self) -> None:
        """Raise ValueError unless process 0 counts as many processes."""
        if not self._index:
            self._client.key_value_set(_COUNT, str(self._count))
            return
        expected = int(self._client.blocking_key_value_get(_COUNT, 1000 * _LOST_AFTER))
        if self._count != expected:
            raise ValueError(
                f"processes: expected {expected}, as process 0 was told, got {self._count}"
            )

    def leave(self) -> None:
        """Wait for the others to come to the end."""
        meet("end")
        self._code = 0
        self._over.set()
        if self._index:
            self._client.key_value_set(f"{_LEFT}/{self._index}", "all is in")
        else:  # the service ends with this process: the others must know that all is well
            for other in range(1, self._count):
                with contextlib.suppress(Exception):
                    self._client.blocking_key_value_get(f"{_LEFT}/{other}", 10_000)
        self._end()

    def fail(self, error: BaseException) -> None:
        """Tell the others that this process cannot go on."""
        reason = self.reason or f"{self._who(self._index)}: {error or type(error).__name__}"
        with contextlib.suppress(Exception):
            self._client.key_value_set(f"{_FAILED}/{self._index}", reason)
        self._over.set()
        if self._index and self._stderr != 2:
            # At once, as it has nothing to say: JAX may crash if it is left while it computes.
            _exit(EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_LOST)
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

        def say() -> None:
            if not self._over.is_set():
                os.write(self._stderr, line)
            _exit(self._code)

        self._aborted.enter_context(when_aborted(say))


def _exit(code: int) -> NoReturn:
    """End this process now, whatever its threads wait for; nothing but local copies is removed."""
    with contextlib.suppress(Exception):
        remove_copies()
    os._exit(code)
