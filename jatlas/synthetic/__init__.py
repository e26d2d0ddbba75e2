"""Procedural images with known classes and factors of variation, as pure functions of a key."""

from jatlas.synthetic._draw import CLASSES as CLASSES
from jatlas.synthetic._draw import Batch as Batch
from jatlas.synthetic._draw import Image as Image
from jatlas.synthetic._draw import batch as batch
from jatlas.synthetic._draw import draw as draw
from jatlas.synthetic._draw import image_key as image_key
from jatlas.synthetic._image import Factors as Factors
from jatlas.synthetic._source import Synthetic as Synthetic
