"""The conductors: from images to an atlas, and from an atlas to more of it."""

from jatlas.build._build import build as build
from jatlas.build._build_from import build_from as build_from
from jatlas.build._cells import directions as directions
from jatlas.build._check import check as check
from jatlas.build._class_maps import class_map as class_map
from jatlas.build._class_maps import comparison_map as comparison_map
from jatlas.build._config import BuildConfig as BuildConfig
from jatlas.build._config import CellConfig as CellConfig
from jatlas.build._config import NamesBy as NamesBy
from jatlas.build._own_samples import as_samples as as_samples
from jatlas.build._patch_search import PatchCrop as PatchCrop
from jatlas.build._patch_search import PatchSearch as PatchSearch
from jatlas.build._patch_search import find_patches as find_patches
from jatlas.build._place_crops import place_crops as place_crops
from jatlas.build._recommended import cells_like as cells_like
from jatlas.build._recommended import for_vision_transformer as for_vision_transformer
from jatlas.build._recommended import recommended as recommended
from jatlas.build._recommended import recommended_layer as recommended_layer
from jatlas.build._rerender import render_cell as render_cell
from jatlas.build._rerender import rerender as rerender
from jatlas.build._status import StageStatus as StageStatus
from jatlas.build._status import Status as Status
from jatlas.build._status import status as status
from jatlas.build._stored_config import stored_cells as stored_cells
from jatlas.build._trust_config import TrustConfig as TrustConfig
