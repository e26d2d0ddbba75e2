"""Fingerprints of jatlas's own networks, kept between processes.

To trace a network's programs takes 2 s at the start of most commands. Those of jatlas's own
networks are decided by its source, the parameters' shapes, and JAX.
"""

import contextlib
import hashlib
import json
import re
from pathlib import Path

import jax

from jatlas.model import Network, fingerprint, is_known
from jatlas.storage import user_cache
from jatlas.storage.files import write_text
from jatlas.types import Params
from jatlas.types.programs import surroundings

_SHA256 = re.compile(r"[0-9a-f]{64}")
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
    file = _file(network, params, weights_sha256) if is_known(network) else None
    if file is None:
        return fingerprint(network, params, weights_sha256=weights_sha256)
    with contextlib.suppress(OSError, ValueError):  # a damaged file may be no text
        kept = file.read_text()
        if _SHA256.fullmatch(kept):
            return kept
    found = fingerprint(network, params, weights_sha256=weights_sha256)
    with contextlib.suppress(OSError):
        write_text(file, found)
    return found


def _file(network: Network, params: Params, weights_sha256: str) -> Path | None:
    """Return where the fingerprint is kept; None if that cannot be said, or nowhere."""
    folder = user_cache("fingerprints")
    if folder is None:
        return None
    leaves, tree = jax.tree.flatten(params)
    deciding: dict[str, object] = {
        "network": [network.name, network.version],
        "weights": weights_sha256,
        "parameters": [str(tree), *(f"{leaf.shape} {leaf.dtype}" for leaf in leaves)],
    }
    try:
        deciding |= surroundings(_PACKAGES, _PARTS)
    except OSError:  # as in an archive of modules
        return None
    return folder / hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
