"""Procedural images of known classes and factors, as pure functions of a key."""

from jatlas.synthetic.compose import Factors as Factors
from jatlas.synthetic.draw import CLASSES as CLASSES
from jatlas.synthetic.draw import Batch as Batch
from jatlas.synthetic.draw import Image as Image
from jatlas.synthetic.draw import batch as batch
from jatlas.synthetic.draw import draw as draw
from jatlas.synthetic.draw import image_key as image_key
from jatlas.synthetic.source import Synthetic as Synthetic
