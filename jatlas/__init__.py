"""jatlas: Activation Atlases in JAX."""

from jatlas import arrange as arrange
from jatlas import collect as collect
from jatlas import explain as explain
from jatlas import model as model
from jatlas import show as show
from jatlas import visualize as visualize
from jatlas.atlas import Atlas as Atlas
from jatlas.model.weights import load as load
from jatlas.pipeline import BuildConfig as BuildConfig
from jatlas.pipeline import build as build

__version__ = "0.1.0"
