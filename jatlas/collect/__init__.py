"""Images to activation vectors."""

from jatlas.collect.arrays import arrays as arrays
from jatlas.collect.images import folder as folder
from jatlas.collect.records import records as records
from jatlas.collect.records import tfds as tfds
