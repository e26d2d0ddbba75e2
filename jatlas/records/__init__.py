"""What an atlas is made of: samples, icons, grids, maps. Nothing here draws or reads files.

All records are frozen dataclasses and PyTrees: `jax.tree.map(jnp.asarray, atlas)` moves an atlas to
the device. They are compared by identity, as arrays have no single truth value.
"""

from jatlas.records._atlas import Atlas as Atlas
from jatlas.records._atlas import Grid as Grid
from jatlas.records._atlas import Icons as Icons
from jatlas.records._atlas import Kind as Kind
from jatlas.records._atlas import Map as Map
from jatlas.records._atlas import Samples as Samples
from jatlas.records._atlas import class_name as class_name
from jatlas.records._atlas import top_classes as top_classes
from jatlas.records._info import Info as Info
from jatlas.records._labels import Hierarchy as Hierarchy
from jatlas.records._labels import Labels as Labels
from jatlas.records._names import UNCLEAR as UNCLEAR
from jatlas.records._names import Names as Names
from jatlas.records._names import Regions as Regions
from jatlas.records._trust import MEASURES as MEASURES
from jatlas.records._trust import OF_ICONS as OF_ICONS
from jatlas.records._trust import Trust as Trust
