"""An atlas folder as the named parts that the viewer asks for, one at a time.

Text and numbers are JSON, arrays are base64 inside it, pictures are JPEG and PNG. The names:
`atlas` (the manifest), `labels` and `groups` (what images show), and for each map `m0-thumb`,
`m0-samples` (where its samples lie) and `m0-source` (where they are from), and for each of its
grids `m0-g20` (its cells), `m0-g20-0-3-4` (the tile at level 0, column 3, row 4), `m0-g20-e0`
(evidence, a range of classes each), `m0-g20-x0` (exemplars, a range of cells each) and `m0-g20-v`
(which cells are alike); where images may be shown, `i7` is one of them. They hold numbers of maps
and not their names, which may be anything. The maps of a second atlas follow those of the first;
its own labels are `b-labels` and `b-groups`.
"""

from jatlas.show._pack._config import PackConfig as PackConfig
from jatlas.show._pack._pack import FORMAT as FORMAT
from jatlas.show._pack._pack import pack as pack
from jatlas.show._pack._part import Part as Part
