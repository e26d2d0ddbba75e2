"""Configs of InceptionV1: the two variants with public weights, and our own.

Reference:
  Szegedy et al., "Going Deeper with Convolutions", 2014, table 1; the deploy definition of BVLC
  GoogLeNet; the graph of Google's inception5h.
"""

import dataclasses

from jatlas.types import checks

_MAX_CLASSES = 1_000_000
_MAX_CHANNELS = 4096
_STEM = (64, 64, 192)  # channels of conv2d0, conv2d1 and conv2d2
BLOCK_WIDTHS: dict[str, tuple[int, ...]] = {
    "mixed3a": (64, 96, 128, 16, 32, 32),
    "mixed3b": (128, 128, 192, 32, 96, 64),
    "mixed4a": (192, 96, 208, 16, 48, 64),
    "mixed4b": (160, 112, 224, 24, 64, 64),
    "mixed4c": (128, 128, 256, 24, 64, 64),
    "mixed4d": (112, 144, 288, 32, 64, 64),
    "mixed4e": (256, 160, 320, 32, 128, 128),
    "mixed5a": (256, 160, 320, 32, 128, 128),
    "mixed5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of 1x1, 3x3_bottleneck, 3x3, 5x5_bottleneck, 5x5 and pool_reduce in each block."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class InceptionConfig:
    """How one InceptionV1 differs from another.

    Attributes:
      name: what the network is called, one line; for those in `CONFIGS`, the name of the weights.
      classes: number of logits, at most a million.
      mean: subtracted from the 0..255 image, in the order of the network's own channels.
      bgr: whether the network's own channel order is blue, green, red.
      caffe_padding: whether windows are placed as caffe does (symmetric padding of the first
        convolution, no padding and ceil mode in the strided pools) or as TensorFlow's SAME.
      lrn_radius, lrn_bias, lrn_alpha, lrn_beta: local response normalisation, see
        `local_response_norm`; without it if alpha is 0.
      mixed4a_3x3, mixed5a_5x5_bottleneck: the two widths in which the variants differ, at most
        4096.
      std: the difference from the mean is divided by it; above 0.
      width: factor on the channels of every convolution; they are rounded to multiples of four.
      input_size: side in pixels of the images it was trained on, at most 4096.

    Raises:
      ValueError: if a value is of another kind or out of range.

    Example:
      >>> narrow = dataclasses.replace(TEXTURES, name="narrow", width=0.25)
      >>> TEXTURES.stem, narrow.stem
      ((32, 32, 96), (16, 16, 48))
    """

    name: str
    classes: int
    mean: tuple[float, float, float]
    bgr: bool
    caffe_padding: bool
    lrn_radius: int
    lrn_bias: float
    lrn_alpha: float
    lrn_beta: float
    mixed4a_3x3: int = 208
    mixed5a_5x5_bottleneck: int = 32
    std: float = 1.0
    width: float = 1.0
    input_size: int = 224

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.field(self, "name", checks.text)
        checks.field(self, "classes", checks.whole, maximum=_MAX_CLASSES)
        checks.field(self, "mean", checks.numbers, length=3, expected="3 finite numbers")
        checks.field(self, "bgr", checks.flag)
        checks.field(self, "caffe_padding", checks.flag)
        checks.field(self, "lrn_radius", checks.whole, minimum=0, maximum=_MAX_CHANNELS)
        checks.field(self, "lrn_bias", checks.number, above=0)
        for name in ("lrn_alpha", "lrn_beta"):
            checks.field(self, name, checks.number, minimum=0)
        for name in ("mixed4a_3x3", "mixed5a_5x5_bottleneck"):
            checks.field(self, name, checks.whole, maximum=_MAX_CHANNELS)
        checks.field(self, "std", checks.number, above=0)
        factor = "a factor above 0 and up to 4"
        checks.field(self, "width", checks.number, above=0, maximum=4, expected=factor)
        checks.field(self, "input_size", checks.whole, maximum=checks.MAX_SIDE, unit="pixel")

    @property
    def stem(self) -> tuple[int, ...]:
        """Channels of the three convolutions before the blocks."""
        return self._scaled(_STEM)

    @property
    def widths(self) -> dict[str, tuple[int, ...]]:
        """Channels of the six convolutions of each block."""
        a, five = BLOCK_WIDTHS["mixed4a"], BLOCK_WIDTHS["mixed5a"]
        full = BLOCK_WIDTHS | {
            "mixed4a": (*a[:2], self.mixed4a_3x3, *a[3:]),
            "mixed5a": (*five[:3], self.mixed5a_5x5_bottleneck, *five[4:]),
        }
        return {name: self._scaled(widths) for name, widths in full.items()}

    def _scaled(self, channels: tuple[int, ...]) -> tuple[int, ...]:
        if self.width == 1:
            return channels
        return tuple(max(4, 4 * round(self.width * count / 4)) for count in channels)


GOOGLENET_BVLC = InceptionConfig(
    name="googlenet_bvlc",
    classes=1000,
    mean=(104.0, 117.0, 123.0),
    bgr=True,
    caffe_padding=True,
    lrn_radius=2,
    lrn_bias=1.0,
    lrn_alpha=1e-4 / 5,  # caffe divides its alpha by the width of the window
    lrn_beta=0.75,
)

INCEPTION5H = InceptionConfig(
    name="inception5h",
    classes=1008,
    mean=(117.0, 117.0, 117.0),
    bgr=False,
    caffe_padding=False,
    lrn_radius=5,
    lrn_bias=2.0,
    lrn_alpha=1e-4,
    lrn_beta=0.5,
    mixed4a_3x3=204,
    mixed5a_5x5_bottleneck=48,
)

# The project's own, see weights/README.md. It has no local response normalisation.
TEXTURES = InceptionConfig(
    name="textures",
    classes=64,
    mean=(127.5, 127.5, 127.5),
    std=64.0,
    bgr=False,
    caffe_padding=False,
    lrn_radius=0,
    lrn_bias=1.0,
    lrn_alpha=0.0,
    lrn_beta=0.5,
    width=0.5,
    input_size=96,
)

CONFIGS = {config.name: config for config in (GOOGLENET_BVLC, INCEPTION5H, TEXTURES)}
"""The variants whose weights are known, by name."""
