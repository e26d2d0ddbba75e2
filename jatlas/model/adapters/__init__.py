"""Networks of other frameworks: each function makes a `Network` and its parameters of a model.

The network is named after the model's class, and its output is taken for logits. Change these, or
its version, with `dataclasses.replace(network, name=..., has_logits=False)`. Make it once per
model: under `jit`, each network is traced by itself.
"""

from jatlas.model.adapters._equinox import from_equinox as from_equinox
from jatlas.model.adapters._keras import from_keras as from_keras
from jatlas.model.adapters._linen import from_linen as from_linen
from jatlas.model.adapters._nnx import from_nnx as from_nnx
from jatlas.model.adapters._torch import from_torch as from_torch
