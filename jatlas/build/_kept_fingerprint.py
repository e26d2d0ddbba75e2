"""Fingerprints of jatlas's own networks, kept between processes.

To trace a network's programs takes 2 s at the start of most commands. Those of jatlas's own
networks are decided by its source, the parameters' shapes, and JAX.
"""

import jax

from jatlas.model import Network, fingerprint, is_known
from jatlas.storage import KeptFiles, user_cache
from jatlas.types import Params
from jatlas.types.programs import digest_of, surroundings

_PACKAGES = ("flax", "jax", "jaxlib", "numpy")
_PARTS = ("model", "types")


def kept_fingerprint(network: Network, params: Params, *, weights_sha256: str) -> str:
    """Return `fingerprint(network, params)`, from the user's cache if jatlas made the network.

    Args:
      network: the network.
      params: its parameters.
      weights_sha256: `digest(params)`.

    Raises:
      ValueError: as `fingerprint`.
    """
    folder = user_cache("fingerprints") if is_known(network) else None
    name = None if folder is None else _name(network, params, weights_sha256)
    if folder is None or name is None:
        return fingerprint(network, params, weights_sha256=weights_sha256)
    files = KeptFiles(folder)
    kept = files.get(name)
    if kept is not None:
        return kept.decode()
    found = fingerprint(network, params, weights_sha256=weights_sha256)
    files.put(name, found.encode())
    return found


def _name(network: Network, params: Params, weights_sha256: str) -> str | None:
    """Return the name under which the fingerprint is kept; None if that cannot be said."""
    leaves, tree = jax.tree.flatten(params)
    deciding = {
        "network": [network.name, network.version],
        "weights": weights_sha256,
        "parameters": [str(tree), *(f"{leaf.shape} {leaf.dtype}" for leaf in leaves)],
    }
    try:
        return digest_of({**deciding, **surroundings(_PACKAGES, _PARTS)})
    except OSError:  # the source cannot be read, as in an archive of modules
        return None
