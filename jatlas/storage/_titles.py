"""Networks as people write them."""

_TITLES = {
    "googlenet_bvlc": "GoogLeNet",
    "inception5h": "InceptionV1",
    "efficientnet_lite0": "EfficientNet-Lite0",
}


def network_title(name: str) -> str:
    """Return the name of a network as people write it; one of your own keeps its name.

    Example:
      >>> network_title("googlenet_bvlc"), network_title("mine")
      ('GoogLeNet', 'mine')
    """
    return _TITLES.get(name, name)
