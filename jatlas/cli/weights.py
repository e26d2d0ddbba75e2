"""`jatlas weights`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg, subcommand

from jatlas.model import convert_weights, fetch_weights, weights_directory, weights_status


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsList:
    """List the known weights and whether they are here."""

    def run(self) -> None:
        """Print a line for each network."""
        for line in weights_status():
            state = "here" if line.installed else "not here"
            note = f"  ({line.note})" if line.note else ""
            print(f"{line.name:18} {state:9} {line.licence:14} {line.url}{note}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsFetch:
    """Download weights, check them and convert them.

    Attributes:
      network: network to fetch.
    """

    network: Positional[str]

    def run(self) -> None:
        """Fetch and say where they are."""
        print(fetch_weights(self.network))


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsConvert:
    """Convert a weight file that is here already (.caffemodel, .pb, .pth, or a .zip that holds it).

    Attributes:
      file: the file.
      network: network that it holds the weights of.
    """

    file: Positional[Path]
    network: str

    def run(self) -> None:
        """Convert and say where they are."""
        print(convert_weights(self.file, name=self.network))


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsWhere:
    """Print the folder that weights are kept in (JATLAS_WEIGHTS_DIR overrides it)."""

    def run(self) -> None:
        """Print the folder."""
        print(weights_directory())


_Weights = (
    Annotated[WeightsList, subcommand("list")]
    | Annotated[WeightsFetch, subcommand("fetch")]
    | Annotated[WeightsConvert, subcommand("convert")]
    | Annotated[WeightsWhere, subcommand("where")]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """Get the weights of the known networks."""

    action: Annotated[_Weights, arg(name="")]

    def run(self) -> None:
        """Run the action."""
        self.action.run()
