"""jatlas: Activation Atlases in JAX.

The everyday names are here; each comes from the package of its stage, which has the rest:
`jatlas.model`, `jatlas.collect`, `jatlas.arrange`, `jatlas.visualize`, `jatlas.explain`,
`jatlas.build`, `jatlas.show`, `jatlas.storage`, `jatlas.synthetic` and `jatlas.bench`.
"""

import importlib
import sys
import types as _types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jatlas.arrange import TSNE as TSNE
    from jatlas.arrange import UMAP as UMAP
    from jatlas.arrange import umap as umap
    from jatlas.build import BuildConfig as BuildConfig
    from jatlas.build import CellConfig as CellConfig
    from jatlas.build import as_samples as as_samples
    from jatlas.build import build as build
    from jatlas.build import build_from as build_from
    from jatlas.build import class_map as class_map
    from jatlas.build import comparison_map as comparison_map
    from jatlas.build import find_patches as find_patches
    from jatlas.build import rerender as rerender
    from jatlas.collect import Preprocess as Preprocess
    from jatlas.collect import array_record as array_record
    from jatlas.collect import arrays as arrays
    from jatlas.collect import dataset as dataset
    from jatlas.collect import extract as extract
    from jatlas.collect import folder as folder
    from jatlas.collect import stream as stream
    from jatlas.collect import tar as tar
    from jatlas.collect import tfds as tfds
    from jatlas.explain import ClassSelection as ClassSelection
    from jatlas.explain import ComparisonSelection as ComparisonSelection
    from jatlas.explain import evidence as evidence
    from jatlas.explain import exemplars as exemplars
    from jatlas.model import ActivationFormat as ActivationFormat
    from jatlas.model import InputFormat as InputFormat
    from jatlas.model import Network as Network
    from jatlas.model import find_class as find_class
    from jatlas.model import from_equinox as from_equinox
    from jatlas.model import from_keras as from_keras
    from jatlas.model import from_linen as from_linen
    from jatlas.model import from_nnx as from_nnx
    from jatlas.model import from_torch as from_torch
    from jatlas.model import inception_v1 as inception_v1
    from jatlas.model import load_network as load_network
    from jatlas.records import Atlas as Atlas
    from jatlas.records import Grid as Grid
    from jatlas.records import Icons as Icons
    from jatlas.records import Map as Map
    from jatlas.records import Samples as Samples
    from jatlas.show import export as export
    from jatlas.show import to_csv as to_csv
    from jatlas.show import to_json as to_json
    from jatlas.show import to_parquet as to_parquet
    from jatlas.show import view as view
    from jatlas.show import widget as widget
    from jatlas.storage import load as load
    from jatlas.storage import save as save
    from jatlas.synthetic import Synthetic as Synthetic
    from jatlas.types import Run as Run
    from jatlas.visualize import MACO as MACO
    from jatlas.visualize import Adam as Adam
    from jatlas.visualize import Alpha as Alpha
    from jatlas.visualize import Channel as Channel
    from jatlas.visualize import Direction as Direction
    from jatlas.visualize import Diversity as Diversity
    from jatlas.visualize import Fourier as Fourier
    from jatlas.visualize import Neuron as Neuron
    from jatlas.visualize import Pixels as Pixels
    from jatlas.visualize import RandomViews as RandomViews
    from jatlas.visualize import RenderConfig as RenderConfig
    from jatlas.visualize import TotalVariation as TotalVariation
    from jatlas.visualize import Wasserstein as Wasserstein
    from jatlas.visualize import paper as paper
    from jatlas.visualize import render as render

__version__ = "0.1.0"

# Imported when they are first asked for: JAX, Flax and Optax take two seconds together.
_NAMES = {
    "arrange": "TSNE UMAP umap",
    "build": "BuildConfig CellConfig as_samples build build_from class_map comparison_map "
    "find_patches rerender",
    "collect": "Preprocess array_record arrays dataset extract folder stream tar tfds",
    "explain": "ClassSelection ComparisonSelection evidence exemplars",
    "model": "ActivationFormat InputFormat Network find_class from_equinox from_keras from_linen "
    "from_nnx from_torch inception_v1 load_network",
    "records": "Atlas Grid Icons Map Samples",
    "show": "export to_csv to_json to_parquet view widget",
    "storage": "load save",
    "synthetic": "Synthetic",
    "types": "Run",
    "visualize": "MACO Adam Alpha Channel Direction Diversity Fourier Neuron Pixels "
    "RandomViews RenderConfig TotalVariation Wasserstein paper render",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jatlas' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"jatlas.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


class _Package(_types.ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # `jatlas.build` is the function, also after its package was imported, which Python would
        # put in its place: `from jatlas.build import ...` finds the package all the same.
        if not (name in _HOMES and isinstance(value, _types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
