"""Whole-or-nothing files, the atlas on disk, the results of stages."""

from jatlas.storage._cache import Checkpoints as Checkpoints
from jatlas.storage._cache import differences as differences
from jatlas.storage._format import check_free as check_free
from jatlas.storage._format import load as load
from jatlas.storage._format import read_info as read_info
from jatlas.storage._format import read_names as read_names
from jatlas.storage._format import save as save
from jatlas.storage._format import top_classes as top_classes
