"""Classes of the known networks: the name and WordNet id of each output.

The names are the first WordNet lemma of each of the 1,000 ILSVRC2012 classes, taken from the lists
that the package timm ships (`timm/data/_info`, Apache-2.0); the order of inception5h is that of the
ILSVRC2012 development kit, taken from the Lucent repository's
`lucent/modelzoo/misc/old_imagenet_labels.txt` (Apache-2.0; its package does not ship the file).
`labels.tsv` joins the two, one class per line. `labels_textures.tsv` lists the classes of
`jatlas.synthetic`, which this package may not import, and what they are kinds of.
"""

import csv
from functools import cache
from importlib import resources

NO_WNID = "-"
"""Stands in for the WordNet id of an output that is no class of WordNet."""

# How many outputs each network has. inception5h has eight more than there are classes: one before
# them, which its own label file calls "dummy", and seven after them that were never trained.
_OUTPUTS = {
    "googlenet_bvlc": 1000,
    "inception5h": 1008,
    "textures": 64,
    "textures_vit": 64,
    "efficientnet_lite0": 1000,
}
# The column of the table that has each network's order. Most networks have that of the WordNet ids.
_COLUMNS = {
    "googlenet_bvlc": "googlenet_bvlc index",
    "inception5h": "inception5h index",
    "efficientnet_lite0": "googlenet_bvlc index",
}


def known_classes(network_name: str) -> tuple[str, ...]:
    """Return the class name of every output of a network whose weights are known.

    Two pairs of classes share a name ("crane", the bird and the machine, and "maillot", two kinds
    of bathing suit), as they do in the article: tell classes apart by index or WordNet id.

    Args:
      network_name: "googlenet_bvlc", "inception5h", "textures", "textures_vit" or
        "efficientnet_lite0".

    Returns:
      One name per output: 1000 for googlenet_bvlc and efficientnet_lite0; 1008 for inception5h, of
      which 0 is "dummy" and 1001 to 1007 are "unused 1001" and so on; 64 for textures
      and textures_vit.

    Raises:
      ValueError: if the network is unknown.

    Example:
      >>> known_classes("googlenet_bvlc")[891], known_classes("inception5h")[668]
      ('waffle iron', 'refrigerator')
    """
    return tuple(name for _, name in _outputs(network_name))


def wnids(network_name: str) -> tuple[str, ...]:
    """Return the WordNet id of every output of a network whose weights are known.

    Args:
      network_name: "googlenet_bvlc", "inception5h", "textures", "textures_vit" or
        "efficientnet_lite0".

    Returns:
      One id per output, such as "n01440764", in the order of `known_classes`; "-" for an output
      that is no class of WordNet.

    Raises:
      ValueError: if the network is unknown.

    Example:
      >>> wnids("googlenet_bvlc")[0], wnids("inception5h")[0]
      ('n01440764', '-')
    """
    return tuple(wnid for wnid, _ in _outputs(network_name))


def matching_classes(network_name: str, outputs: int) -> tuple[str, ...]:
    """Return `known_classes` if the network is known and has that many outputs, else ().

    Example:
      >>> matching_classes("textures", 64)[:2], matching_classes("textures", 10)
      (('grating', 'checkerboard'), ())
    """
    return known_classes(network_name) if _OUTPUTS.get(network_name) == outputs else ()


@cache
def _outputs(network_name: str) -> tuple[tuple[str, str], ...]:
    """Return (wnid, name) of every output of a network."""
    if network_name not in _OUTPUTS:
        raise ValueError(
            f"network_name must be one of {', '.join(_OUTPUTS)}, the networks whose class names "
            f"are known; got {network_name!r}"
        )
    if network_name in ("textures", "textures_vit"):
        return tuple((NO_WNID, row["name"]) for row in table_rows("labels_textures.tsv"))
    outputs = [(NO_WNID, f"unused {index}") for index in range(_OUTPUTS[network_name])]
    if network_name == "inception5h":
        outputs[0] = (NO_WNID, "dummy")
    for row in table_rows("labels.tsv"):
        outputs[int(row[_COLUMNS[network_name]])] = (row["wnid"], row["name"])
    return tuple(outputs)


def table_rows(file: str) -> list[dict[str, str]]:
    """Return the rows of a table of this package, by column."""
    table = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    return list(csv.DictReader(table.splitlines(), delimiter="\t"))
