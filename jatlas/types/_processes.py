"""Processes that share a computation, over the coordination service of JAX's distributed runtime.

Process 0 leads: it decides what is to be done, and calls all processes to it. Each does its share,
leaves the results where the others can read them, and reports. No device waits for another
process's, and what is done stays done if a process is lost.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeAlias

import jax

from jatlas.types._messages import one_line

_TICK_MS = 1000  # between looks at the keyboard, and at what the others have counted
_FOR_EVER_MS = 2**31 - 1
_sessions = itertools.count()  # the same numbers in all processes, which do the same in order


Handlers: TypeAlias = Mapping[str, Callable[..., None]]
"""By the name of a task, what does a process's share of it."""


class ProcessError(RuntimeError):
    """One of the processes that share a computation has failed."""


class SharedBar(Protocol):
    """A progress bar that shows what all processes have done."""

    def show(self) -> None:
        """Show what they have told."""

    def close(self) -> None:
        """Close it, at the second call."""


class Processes:
    """The processes of a JAX program, while they share one computation.

    Attributes:
      index: of this process.
      count: of all.
      whole: how much larger a task is than what this process's progress bar counts of it.
    """

    def __init__(self) -> None:
        """Begin a computation; all processes begin the same ones, in the same order."""
        self.index, self.count = process_index(), process_count()
        self._handlers: Handlers = {}
        self._prefix = f"jatlas/computation/{next(_sessions)}"
        self._task = -1
        self._counted = 0
        self._reported = 0.0
        self._bars: list[SharedBar] = []
        self.whole = 1.0

    @property
    def leads(self) -> bool:
        """Whether this process leads."""
        return self.index == 0

    def share(self, total: int) -> slice:
        """Return which of a number of items are this process's share: neighbours in their order."""
        return slice(self.index * total // self.count, (self.index + 1) * total // self.count)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Have the others fail too if the block fails: they would wait for this process."""
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(Exception):  # what went wrong is the error to be seen
                self._set(f"failed/{self.index}", self._failure(error), again=True)
            raise

    @contextlib.contextmanager
    def leading(self, handlers: Handlers) -> Iterator[None]:
        """Let the others `follow` until the block ends, and fail if it fails."""
        self._handlers = handlers
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(Exception):  # what went wrong is the error to be seen
                self._post({"failed": _reason(error)})
            raise
        self._post({"failed": None})

    def call(self, task: str, **arguments: Any) -> None:
        """Have all processes do their share of a task, this one included.

        Args:
          task: name of a handler.
          **arguments: of the handler, JSON values.

        Raises:
          ProcessError: if another process fails.
        """
        self._post({"task": task, "arguments": arguments})
        try:
            self._handlers[task](**arguments)
            for other in range(1, self.count):
                failure = self._wait(f"done/{self._task}/{other}")
                if failure:
                    raise ProcessError(failure)
            for bar in self._bars:
                bar.show()
        finally:
            while self._bars:
                self._bars.pop().close()

    def follow(self, handlers: Handlers) -> None:
        """Do this process's share of all that the leading one calls to, until it ends.

        Args:
          handlers: by the name of a task, what does this process's share of it.

        Raises:
          ProcessError: if another process fails.
        """
        while True:
            self._begin()
            message = json.loads(self._wait(f"task/{self._task}"))
            if "task" not in message:
                break
            try:
                handlers[message["task"]](**message["arguments"])
            except Exception as error:
                self._set(f"done/{self._task}/{self.index}", self._failure(error))
                raise
            self._report()
            self._set(f"done/{self._task}/{self.index}", "")
        if message["failed"] is not None:
            raise ProcessError(f"process 0 has failed: {message['failed']}")

    def count_done(self, count: int) -> None:
        """Tell how much of a task this process has done.

        Raises:
          ProcessError: if another process fails: what this one goes on with may take hours.
        """
        self._counted = count
        if time.monotonic() > self._reported + 1:
            self._report()
            self._check_others()

    def counted_by_others(self) -> int:
        """Return how much of a task the others have done, as far as they have told."""
        told = client().key_value_dir_get(f"{self._prefix}/count/{self._task}/")
        return sum(int(value[1:]) for _, value in told)

    def keep_open(self, bar: SharedBar) -> None:
        """Have a progress bar shown until all processes have done their share."""
        self._bars.append(bar)

    def _report(self) -> None:
        self._reported = time.monotonic()
        if self.leads:
            return  # what it has done it knows
        self._set(f"count/{self._task}/{self.index}", str(self._counted), again=True)

    def _begin(self) -> None:
        self._task, self._counted = self._task + 1, 0
        self._reported, self.whole = time.monotonic(), 1.0

    def _post(self, message: Mapping[str, Any]) -> None:
        self._begin()
        self._set(f"task/{self._task}", json.dumps(message))

    def _set(self, key: str, value: str, *, again: bool = False) -> None:
        # An empty value cannot be told from none by every version of the service.
        client().key_value_set(f"{self._prefix}/{key}", f"={value}", allow_overwrite=again)

    def _wait(self, key: str) -> str:
        """Return a value once it is there."""
        while True:
            try:
                found: str = client().blocking_key_value_get(f"{self._prefix}/{key}", _TICK_MS)
                return found[1:]
            except jax.errors.JaxRuntimeError as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise ProcessError(f"the others are gone: {one_line(error)}") from error
            self._check_others()
            for bar in self._bars:
                bar.show()

    def _check_others(self) -> None:
        """Raise ProcessError if another process has failed."""
        for key, reason in client().key_value_dir_get(f"{self._prefix}/failed/"):
            if not key.endswith(f"/{self.index}"):
                raise ProcessError(reason[1:])

    def _failure(self, error: BaseException) -> str:
        """Return in a line which process fails, and why."""
        if isinstance(error, ProcessError):  # which says whose it is
            return str(error)
        return f"process {self.index} on {socket.gethostname()}: {_reason(error)}"


def _reason(error: BaseException) -> str:
    """Return in a line why a process ends."""
    return one_line(error) if isinstance(error, Exception) else "interrupted"


def sharing() -> Processes | None:
    """Return the processes of this program, to begin a computation with; None if it is alone."""
    return Processes() if process_count() > 1 else None


def together(processes: Processes | None) -> contextlib.AbstractContextManager[None]:
    """Return a block in which processes, if there are several, fail together."""
    return contextlib.nullcontext() if processes is None else processes.together()


def meet(name: str) -> None:
    """Wait until all processes of this program have come to a place, which all name alike."""
    client().wait_at_barrier(f"jatlas/place/{name}", _FOR_EVER_MS)


# Not `jax.process_count()`, which starts JAX: settings that come later would have no effect.


def process_count() -> int:
    """Return how many processes `jax.distributed` has joined, 1 without it."""
    state = _state()
    return 1 if state.client is None else int(state.num_processes)


def process_index() -> int:
    """Return which of them this is."""
    state = _state()
    return 0 if state.client is None else int(state.process_id)


def client() -> Any:
    """Return this process's client of the coordination service."""
    return _state().client


def _state() -> Any:
    """Return what `jax.distributed` has set up, which JAX does not show."""
    from jax._src import distributed

    return distributed.global_state
