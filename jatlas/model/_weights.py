"""The networks whose weights are known: fetch, verify, save, load.

Weights are kept as Orbax checkpoints, one folder a network, in `directory()`; see
`jatlas.model._checkpoint` for what is in the folder. Some come with jatlas: in a checkout they are
in `weights/` beside the package, in a wheel they are in the package.
"""

import dataclasses
import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from jatlas.model import _checkpoint as checkpoint
from jatlas.model._convert import MOST_BYTES, convert_bytes
from jatlas.model._download import download
from jatlas.model._inception import CONFIGS, abstract_params, inception_v1
from jatlas.model._network import Network
from jatlas.types import Params

digest = checkpoint.digest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Where the weights of a network come from.

    Attributes:
      url: the file.
      digest: "sha256:..." or "sha1:..." of the file.
      licence: what its makers allow.
      size: bytes of the file, about.
      member: the weight file's name, if the file is a zip archive.
      member_digest: digest of that member.
    """

    url: str
    digest: str
    licence: str
    size: int
    member: str | None = None
    member_digest: str | None = None

    def __post_init__(self) -> None:
        """Check that the digests can be computed."""
        for given in (self.digest, self.member_digest):
            if given is not None and not given.startswith(("sha1:", "sha256:")):
                raise ValueError(f"digest: expected 'sha256:...' or 'sha1:...', got {given!r}")


KNOWN: dict[str, Source] = {
    "googlenet_bvlc": Source(
        url="http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        digest="sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204",
        licence="unrestricted",
        size=54_000_000,
    ),
    "inception5h": Source(
        url="https://storage.googleapis.com/download.tensorflow.org/models/inception5h.zip",
        digest="sha256:d13569f6a98159de37e92e9c8ec4dae8f674fbf475f69fe6199b514f756d4364",
        licence="Apache-2.0",
        size=50_000_000,
        member="tensorflow_inception_graph.pb",
        member_digest="sha256:a39b08b826c9d5a5532ff424c03a3a11a202967544e389aca4b06c2bd8aef63f",
    ),
}
"""The weights that `fetch` knows, by the name of their network."""

SHIPPED: dict[str, str] = {"textures": "Apache-2.0"}
"""The licence of the weights that come with jatlas, by the name of their network."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Status:
    """One line of `jatlas weights list`.

    Attributes:
      name: the network.
      installed: whether `load` finds its weights.
      licence: what their makers allow.
      url: where `fetch` gets them; "comes with jatlas" if there is nothing to fetch.
      where: the folder they are in, or would be in.
    """

    name: str
    installed: bool
    licence: str
    url: str
    where: Path


def directory() -> Path:
    """Return the folder weights are kept in: JATLAS_WEIGHTS_DIR, else the user's data folder."""
    given = os.environ.get("JATLAS_WEIGHTS_DIR")
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("jatlas", appauthor=False)) / "weights"


def status() -> list[Status]:
    """Say of each known network whether its weights are here, and where they come from."""
    known = {name: (source.licence, source.url) for name, source in KNOWN.items()}
    shipped = {name: (licence, "comes with jatlas") for name, licence in SHIPPED.items()}
    lines = []
    for name, (licence, url) in (known | shipped).items():
        where = _folder(name)
        there = (where / checkpoint.PROVENANCE).is_file()
        lines.append(Status(name=name, installed=there, licence=licence, url=url, where=where))
    return lines


def fetch(name: str, *, source: Source | None = None, progress: bool = True) -> Path:
    """Download the weights of a network, check them, convert and save them.

    Args:
      name: a network of `KNOWN`.
      source: where to get them instead of `KNOWN[name]`.
      progress: whether to show a bar.

    Returns:
      The folder they are saved in.

    Raises:
      OSError: if the download fails; where the connection broke, the same call goes on.
      ValueError: for an unknown name or weights that come with jatlas, or if what comes is not
        the expected file.
    """
    _check_fetched(name)
    source = source or KNOWN[name]
    part = directory() / f"{name}.part"
    most = min(4 * source.size, MOST_BYTES)
    try:
        download(source.url, part=part, digest=source.digest, most_bytes=most, progress=progress)
    except (OSError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else OSError
        raise kind(
            f"{name}: {error}. Or download the file by hand and run: "
            f"jatlas weights convert FILE --network {name}"
        ) from error
    with _discarded_if_wrong(part):
        data = _content(part, member=source.member)
        got = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if source.member_digest not in (None, got):
            raise ValueError(
                f"{source.member} in {source.url} is not the expected file: "
                f"expected {source.member_digest}, got {got}"
            )
        params = convert_bytes(data, origin=source.url, config=CONFIGS[name])
    origin = {"file": source.member or source.url.rpartition("/")[2], "sha256": got[7:]}
    provenance = origin | {"url": source.url, "licence": source.licence}
    where = save(params, name=name, provenance=provenance)
    part.unlink()
    return where


def install(file: str | Path, *, name: str) -> Path:
    """Convert a weight file that is here already, and save it.

    Args:
      file: what `convert` takes, or the zip archive that it is published in.
      name: a network of `KNOWN`.

    Returns:
      The folder the weights are saved in.

    Raises:
      OSError: if the file cannot be read, or the weights not written.
      ValueError: for an unknown name or weights that come with jatlas, or if the file does not
        hold the weights of that network; the message lists every mismatch.
    """
    _check_fetched(name)
    file = Path(file)
    source = KNOWN[name]
    data = _content(file, member=source.member)
    params = convert_bytes(data, origin=str(file), config=CONFIGS[name])
    provenance = {"file": file.name, "sha256": hashlib.sha256(data).hexdigest()}
    return save(params, name=name, provenance=provenance | {"licence": source.licence})


def save(params: Params, *, name: str, provenance: Mapping[str, Any]) -> Path:
    """Save parameters where `load` finds them.

    Nothing half-written is ever seen, and what was there stays until the new is complete.

    Args:
      params: in the structure of the network's `abstract_params`, float32.
      name: a network of `KNOWN` or `SHIPPED`; what is saved goes before what comes with jatlas.
      provenance: where they are from, in values that JSON knows.

    Returns:
      The folder, `directory() / name`.

    Raises:
      OSError: if it cannot be written.
      ValueError: for an unknown name, or parameters that do not fit the network.
    """
    _check_known(name)
    problems = checkpoint.mismatches(params, expected=abstract_params(CONFIGS[name]))
    if problems:
        raise ValueError("\n  ".join([f"params do not fit {name}:", *problems]))
    folder = directory() / name
    checkpoint.write(folder, params, provenance=provenance)
    return folder


def load_network(name: str, *, directory: str | Path | None = None) -> tuple[Network, Params]:
    """Load a network and its parameters.

    Args:
      name: a network of `KNOWN` or `SHIPPED`.
      directory: the folder weights are kept in; None means `jatlas.model._weights.directory()`,
        or where those are that come with jatlas.

    Returns:
      The network, and its parameters as nested dicts of float32 arrays on the default device.

    Raises:
      FileNotFoundError: if its weights are not here; the message says how to get them.
      ValueError: for an unknown name, or if what is here is damaged or of another network.
    """
    _check_known(name)
    where = _folder(name) if directory is None else Path(directory).expanduser() / name
    if not (where / checkpoint.PROVENANCE).is_file():
        raise FileNotFoundError(f"no weights of {name} in {where}. {_advice(name)}")
    try:
        params = checkpoint.read(where, expected=abstract_params(CONFIGS[name]))
    except ValueError as error:
        told = f"the weights of {name} cannot be used: {error}. {_advice(name, again=' again')}"
        raise ValueError(told) from error
    return inception_v1(CONFIGS[name]), params


def _check_known(name: str) -> None:
    known = (*KNOWN, *SHIPPED)
    if name not in known:
        raise ValueError(f"no network {name!r}; known are: {', '.join(known)}")


def _check_fetched(name: str) -> None:
    _check_known(name)
    if name not in KNOWN:
        raise ValueError(f"the weights of {name} come with jatlas: there is nothing to fetch")


def _advice(name: str, *, again: str = "") -> str:
    if name in SHIPPED:
        return f"They come with jatlas: install it again, or remove your own from {directory()}"
    return (
        f"Get them{again} with `jatlas weights fetch {name}`, or convert a file you have with "
        f"`jatlas weights convert FILE --network {name}`"
    )


def _folder(name: str) -> Path:
    """Return where the weights of a network are, or would be."""
    own = directory() / name
    if name not in SHIPPED or (own / checkpoint.PROVENANCE).is_file():
        return own
    packed = Path(str(resources.files(__package__))) / "pretrained" / name
    return packed if packed.is_dir() else Path(__file__).parents[2] / "weights" / name


def _content(file: Path, *, member: str | None) -> bytes:
    """Return the weight file's bytes, out of the zip archive if it is in one."""
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"{file}: {file.stat().st_size} bytes are too many for a weight file")
    if member is None or not zipfile.is_zipfile(file):
        return file.read_bytes()
    try:
        with zipfile.ZipFile(file) as archive, archive.open(member) as stream:
            data = stream.read(MOST_BYTES + 1)  # what the archive says of its size may be wrong
    except Exception as error:  # zipfile raises nearly anything on a damaged archive
        raise ValueError(f"{file}: cannot read {member} in this archive: {error}") from error
    if len(data) > MOST_BYTES:
        raise ValueError(f"{file}: {member} in it is too large for a weight file")
    return data


@contextmanager
def _discarded_if_wrong(part: Path) -> Iterator[None]:
    try:
        yield
    except ValueError:
        part.unlink()
        raise
