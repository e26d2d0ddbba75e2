"""JSON values that records hold."""

import json
from typing import Any


class Info(dict[str, Any]):
    """JSON values by name; hashable, so that a record that holds them may pass through `jax.jit`.

    Example:
      >>> hash(Info(seed=[0, 1])) == hash(Info(seed=[0, 1]))
      True
    """

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(json.dumps(self, sort_keys=True))
