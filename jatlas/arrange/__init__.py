"""Vectors to points to cells: neighbours, layouts, grid averages, whitening.

Nothing here knows a network. Each function's docstring says whether it is a pure function, to be
used under `jax.jit`, `jax.vmap` and `jax.grad`, or a host function.
"""

from jatlas.arrange._checks import MIN_SAMPLES as MIN_SAMPLES
from jatlas.arrange._checks import Metric as Metric
from jatlas.arrange._grid import Cells as Cells
from jatlas.arrange._grid import average as average
from jatlas.arrange._grid import average_blocks as average_blocks
from jatlas.arrange._grid import cell_index as cell_index
from jatlas.arrange._layout import layout as layout
from jatlas.arrange._layout import prepare_layout as prepare_layout
from jatlas.arrange._layout import to_unit_square as to_unit_square
from jatlas.arrange._neighbors import Neighbors as Neighbors
from jatlas.arrange._neighbors import nearest_neighbors as nearest_neighbors
from jatlas.arrange._neighbors import shares_neighbors as shares_neighbors
from jatlas.arrange._quality import Quality as Quality
from jatlas.arrange._quality import map_quality as map_quality
from jatlas.arrange._tsne import TSNE as TSNE
from jatlas.arrange._tsne import tsne as tsne
from jatlas.arrange._umap import UMAP as UMAP
from jatlas.arrange._umap import umap as umap
from jatlas.arrange._umap import umap_neighbors as umap_neighbors
from jatlas.arrange._whiten import MAX_RIDGE as MAX_RIDGE
from jatlas.arrange._whiten import inverse as inverse
from jatlas.arrange._whiten import second_moment as second_moment
from jatlas.arrange._whiten import whiten as whiten
