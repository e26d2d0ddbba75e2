"""Memory of the C library."""

import contextlib
import ctypes


def return_freed() -> None:
    """Give back to the system what was freed; C libraries other than glibc are left alone.

    Commands have glibc keep it, for the renderer. The gigabytes that a search of neighbours frees
    are in pieces, however: what comes after it would mostly find no room in them. Nor does a
    program of XLA that runs again find room in what it had before.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)
