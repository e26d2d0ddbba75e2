"""Images to activation vectors."""

from jatlas.collect.arrays import arrays as arrays
from jatlas.collect.images import folder as folder
