"""Which devices search neighbours, and what each of them holds."""

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jatlas.types import Array

QUERIES = "queries"
"""The axis of the devices' mesh: each has queries of its own."""

_SHARE = 0.5  # of a device's memory that a table may take; blocks of distances take the rest


def mesh_of(devices: Sequence[jax.Device]) -> Mesh:
    """Return devices along one axis."""
    return Mesh(np.array(devices), (QUERIES,))


def sharded(mesh: Mesh) -> NamedSharding:
    """Return the sharding of what each device has its own rows of."""
    return NamedSharding(mesh, P(QUERIES))


def fits(size: int, devices: Sequence[jax.Device]) -> bool:
    """Tell whether each device can hold a table of so many bytes beside its other work.

    A device that does not say how much memory it has, as a CPU does not, can.
    """
    limits = [(device.memory_stats() or {}).get("bytes_limit") for device in devices]
    known = [limit for limit in limits if limit is not None]
    return size <= _SHARE * min(known, default=np.inf)


def replicate(table: Array, mesh: Mesh) -> Array:
    """Give each device of a mesh a table. The devices of a CPU share one copy."""
    everywhere = NamedSharding(mesh, P())
    devices = list(mesh.devices.flat)
    if len(devices) == 1 or any(device.platform != "cpu" for device in devices):
        return jax.device_put(table, everywhere)
    held = np.asarray(table)  # not copied, on a CPU
    views = [jax.device_put(held, device, may_alias=True) for device in devices]
    return jax.make_array_from_single_device_arrays(table.shape, everywhere, views)
