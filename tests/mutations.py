"""Damaged bytes, for tests that read them."""

from collections.abc import Callable, Sequence

import numpy as np


def mutated(files: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Damage one of some files as transfers, editors and attackers do."""
    data = files[rng.integers(len(files))]
    for _ in range(rng.integers(1, 5)):
        data = _damage(data, files[rng.integers(len(files))], rng)
    return data


def _damage(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Damage a file in one place."""
    at, length = int(rng.integers(len(data) + 1)), int(rng.integers(1, 40))
    before, after = data[:at], data[at + length :]
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: before,  # truncated
        lambda: before + bytes([rng.integers(256)]) + data[at + 1 :],
        lambda: before + rng.bytes(length) + after,
        lambda: before + b"\xff\xff\xff\xff" + data[at + 4 :],  # a size
        lambda: before + bytes(length) + after,
        lambda: before + after,
        lambda: before + before[-length:] * 3 + data[at:],
        lambda: before + other[at:],
    )
    return kinds[rng.integers(len(kinds))]()
