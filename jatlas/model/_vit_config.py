"""Configs of the vision transformer: our own."""

import dataclasses

from jatlas.types import checks

_MAX_CLASSES = 1_000_000
_MAX_CHANNELS = 4096
_MAX_DEPTH = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """How one vision transformer differs from another.

    Attributes:
      name: what the network is called, one line.
      classes: number of logits, at most a million.
      dim: channels of a token, a multiple of four and of `heads`.
      depth: number of blocks.
      heads: number of attention heads.
      hidden: channels between the two layers of a block's perceptron.
      registers: tokens without a place in the image, beside the class token.
      stem: channels of the strided convolutions before the last, which has `dim`. Each halves the
        side, so the side of a patch is 2 ** (len(stem) + 1) pixels.
      input_size: side in pixels of the images it was trained on, a multiple of that of a patch.

    Raises:
      ValueError: if a value is of another kind or out of range.

    Example:
      >>> TEXTURES_VIT.patch, TEXTURES_VIT.layers
      (8, ('patches', 'block0', 'block1', 'block2', 'block3', 'block4'))
    """

    name: str
    classes: int
    dim: int
    depth: int
    heads: int
    hidden: int
    registers: int
    stem: tuple[int, ...]
    input_size: int

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.field(self, "name", checks.text)
        checks.field(self, "classes", checks.whole, maximum=_MAX_CLASSES)
        for name in ("dim", "heads", "hidden"):
            checks.field(self, name, checks.whole, maximum=_MAX_CHANNELS)
        checks.field(self, "depth", checks.whole, maximum=_MAX_DEPTH)
        checks.field(self, "registers", checks.whole, minimum=0, maximum=_MAX_CHANNELS)
        checks.field(self, "stem", checks.wholes, expected="numbers of channels")
        checks.field(self, "input_size", checks.whole, maximum=checks.MAX_SIDE, unit="pixel")
        if self.dim % 4 or self.dim % self.heads:
            expected = f"a multiple of 4 and of heads, {self.heads}"
            raise ValueError(f"dim: expected {expected}, got {self.dim}")
        if self.input_size % self.patch:
            expected = f"a multiple of the side of a patch, {self.patch} pixels"
            raise ValueError(f"input_size: expected {expected}, got {self.input_size}")

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return 2 ** (len(self.stem) + 1)

    @property
    def extra(self) -> int:
        """Tokens before those of the patches: the class token, and the registers."""
        return 1 + self.registers

    @property
    def layers(self) -> tuple[str, ...]:
        """The names that a tap is called with, in order."""
        return ("patches", *(f"block{index}" for index in range(self.depth)))


# The project's own, see weights/README.md.
TEXTURES_VIT = ViTConfig(
    name="textures_vit",
    classes=64,
    dim=128,
    depth=5,
    heads=4,
    hidden=384,
    registers=1,
    stem=(32, 64),
    input_size=96,
)
