"""Whole-or-nothing files, the atlas on disk, the results of stages."""

from jatlas.storage import files as files
from jatlas.storage._cache import Arrays as Arrays
from jatlas.storage._cache import CachedStage as CachedStage
from jatlas.storage._describe import ATLAS_FILE as ATLAS_FILE
from jatlas.storage._describe import map_folder as map_folder
from jatlas.storage._describe import top_classes as top_classes
from jatlas.storage._entries import GridEntry as GridEntry
from jatlas.storage._entries import MapEntry as MapEntry
from jatlas.storage._entries import read_about as read_about
from jatlas.storage._entries import read_classes as read_classes
from jatlas.storage._entries import read_maps as read_maps
from jatlas.storage._entries import read_sums as read_sums
from jatlas.storage._format import add_map as add_map
from jatlas.storage._format import check_output as check_output
from jatlas.storage._format import load as load
from jatlas.storage._format import read_info as read_info
from jatlas.storage._format import read_names as read_names
from jatlas.storage._format import save as save
from jatlas.storage._format import update as update
from jatlas.storage._maps import map_place as map_place
from jatlas.storage._maps import read_sheet as read_sheet
from jatlas.storage._user_cache import can_write as can_write
from jatlas.storage._user_cache import user_cache as user_cache
from jatlas.storage._working import FOLDER as FOLDER
from jatlas.storage._working import working_folder as working_folder
