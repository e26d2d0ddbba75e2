"""Images to activation vectors: sources of images, decoding, extraction."""

from jatlas.collect._arrays import Arrays as Arrays
from jatlas.collect._arrays import arrays as arrays
from jatlas.collect._datasets import Dataset as Dataset
from jatlas.collect._datasets import RandomAccess as RandomAccess
from jatlas.collect._datasets import dataset as dataset
from jatlas.collect._datasets import tfds as tfds
from jatlas.collect._decode import ImageError as ImageError
from jatlas.collect._decode import Preprocess as Preprocess
from jatlas.collect._decode import decode as decode
from jatlas.collect._decode import one_line as one_line
from jatlas.collect._extract import extract as extract
from jatlas.collect._folder import Folder as Folder
from jatlas.collect._folder import folder as folder
from jatlas.collect._inputs import as_source as as_source
from jatlas.collect._sample import activations as activations
from jatlas.collect._sample import draw_places as draw_places
from jatlas.collect._sample import grid_positions as grid_positions
from jatlas.collect._sample import interior_moment as interior_moment
from jatlas.collect._sample import pick as pick
from jatlas.collect._sample import to_float as to_float
from jatlas.collect._source import ImageSource as ImageSource
from jatlas.collect._source import Loaded as Loaded
from jatlas.collect._source import Rereadable as Rereadable
from jatlas.collect._source import batches as batches
from jatlas.collect._source import select as select
