"""Work on threads whose results are wanted in order."""

import collections
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def in_order(
    function: Callable[[_In], _Out],
    items: Iterable[_In],
    *,
    workers: int,
    ahead: int,
    name: str = "jatlas",
) -> Generator[_Out, None, None]:
    """Apply a function to items on threads, and yield the results in the order of the items.

    Args:
      function: called on the threads; one that releases the interpreter's lock gains by them.
      items: taken on the thread of the caller.
      workers: number of threads.
      ahead: items that are begun, at most, beyond the one whose result is consumed.
      name: how the names of the threads begin.

    Yields:
      The results. The threads end before a call of `close` returns.

    Example:
      >>> list(in_order(abs, [3, -1, -2], workers=2, ahead=1))
      [3, 1, 2]
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    pending: collections.deque[Future[_Out]] = collections.deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
