"""What vectors, cells and places mean to the network.

Evidence, names, exemplars, the samples of class and comparison maps, receptive fields, patches and
metrics. Each function's docstring says whether it is a pure function, to be used under `jax.jit`,
`jax.vmap` and `jax.grad`, or a host function.
"""

from jatlas.explain._attack import Attack as Attack
from jatlas.explain._attack import Rates as Rates
from jatlas.explain._attack import attack as attack
from jatlas.explain._attack import check_classes as check_classes
from jatlas.explain._attack import rates as rates
from jatlas.explain._evidence import Heat as Heat
from jatlas.explain._evidence import ablation as ablation
from jatlas.explain._evidence import class_heat as class_heat
from jatlas.explain._evidence import evidence as evidence
from jatlas.explain._evidence import evidence_and_logits as evidence_and_logits
from jatlas.explain._exemplars import NO_SAMPLE as NO_SAMPLE
from jatlas.explain._exemplars import Exemplars as Exemplars
from jatlas.explain._exemplars import exemplars as exemplars
from jatlas.explain._exemplars import nearest_by_cosine as nearest_by_cosine
from jatlas.explain._faithful import faithful as faithful
from jatlas.explain._metrics import Agreement as Agreement
from jatlas.explain._metrics import Purity as Purity
from jatlas.explain._metrics import agreement as agreement
from jatlas.explain._metrics import predictions as predictions
from jatlas.explain._metrics import purity as purity
from jatlas.explain._metrics import recognized as recognized
from jatlas.explain._name_accuracy import NameAccuracy as NameAccuracy
from jatlas.explain._name_accuracy import name_accuracy as name_accuracy
from jatlas.explain._names import NameConfig as NameConfig
from jatlas.explain._names import name_cells as name_cells
from jatlas.explain._natural import natural as natural
from jatlas.explain._others import OtherNeighbors as OtherNeighbors
from jatlas.explain._others import neighbors_of_other_images as neighbors_of_other_images
from jatlas.explain._own import own_exemplars as own_exemplars
from jatlas.explain._patch_candidates import PatchCandidates as PatchCandidates
from jatlas.explain._patch_candidates import patch_candidates as patch_candidates
from jatlas.explain._patch_candidates import shows_none_of as shows_none_of
from jatlas.explain._patches import CORNERS as CORNERS
from jatlas.explain._patches import SIZES as SIZES
from jatlas.explain._patches import check_places as check_places
from jatlas.explain._patches import classify as classify
from jatlas.explain._patches import composite as composite
from jatlas.explain._patches import noise_patch as noise_patch
from jatlas.explain._patches import sweep as sweep
from jatlas.explain._paths import ActivationGrid as ActivationGrid
from jatlas.explain._paths import Location as Location
from jatlas.explain._paths import MapPath as MapPath
from jatlas.explain._paths import activation_grid as activation_grid
from jatlas.explain._paths import find_on_map as find_on_map
from jatlas.explain._paths import path_through_map as path_through_map
from jatlas.explain._placed import kept as kept
from jatlas.explain._placed import placed as placed
from jatlas.explain._pure import distinct as distinct
from jatlas.explain._pure import pure as pure
from jatlas.explain._receptive import ReceptiveField as ReceptiveField
from jatlas.explain._receptive import crop as crop
from jatlas.explain._receptive import receptive_box as receptive_box
from jatlas.explain._receptive import receptive_field as receptive_field
from jatlas.explain._receptive import receptive_share as receptive_share
from jatlas.explain._regions import RegionConfig as RegionConfig
from jatlas.explain._regions import name_regions as name_regions
from jatlas.explain._selection import Selection as Selection
from jatlas.explain._selection import balance as balance
from jatlas.explain._selection import largest as largest
from jatlas.explain._selection import select_class as select_class
from jatlas.explain._selection import select_comparison as select_comparison
from jatlas.explain._selection import select_samples as select_samples
from jatlas.explain._selection import winners as winners
from jatlas.explain._selection_config import ClassSelection as ClassSelection
from jatlas.explain._selection_config import ComparisonSelection as ComparisonSelection
from jatlas.explain._selection_config import Rule as Rule
from jatlas.explain._selection_config import SelectionConfig as SelectionConfig
from jatlas.explain._stable import stable as stable
from jatlas.explain._standing import rank_correlations as rank_correlations
from jatlas.explain._standing import standing as standing
