"""Weights from elsewhere: download or take a file, verify, convert, save."""

import hashlib
import zipfile
from pathlib import Path

from jatlas.model._convert import MAX_BYTES, convert_bytes
from jatlas.model._inception_config import CONFIGS
from jatlas.model._sources import PUBLISHED_WEIGHTS, WeightsSource, check_published
from jatlas.model._weight_files import is_web_page
from jatlas.model._weights import save_weights, weights_directory

_CHUNK_BYTES = 2**18
_TIMEOUT_S = 30


def fetch_weights(name: str, *, source: WeightsSource | None = None, progress: bool = True) -> Path:
    """Download the weights of a network, verify, convert and save them.

    Args:
      name: a network whose weights are published: "googlenet_bvlc" or "inception5h".
      source: where to download from instead of the published source.
      progress: whether to show a progress bar.

    Returns:
      The folder they are saved in.

    Raises:
      OSError: if the download fails or the weights cannot be written.
      ValueError: for an unknown network or weights that come with jatlas, or if the download is
        not the expected file.
    """
    check_published(name)
    source = source or PUBLISHED_WEIGHTS[name]
    try:
        file = _download(name, source, progress=progress)
    except (OSError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else OSError
        raise kind(
            f"{name}: {error}. Or download the file by hand and run: "
            f"jatlas weights convert FILE --network {name}"
        ) from error
    try:
        data = read_content(file, member=source.member)
        sha256 = hashlib.sha256(data).hexdigest()
        if source.member_sha256 not in (None, sha256):
            raise ValueError(
                f"{source.member} in {source.url} is not the expected file: "
                f"expected sha256 {source.member_sha256}, got {sha256}"
            )
        params = convert_bytes(data, origin=source.url, config=CONFIGS[name])
        provenance = {
            "file": source.member or source.url.rpartition("/")[2],
            "sha256": sha256,
            "url": source.url,
            "licence": source.licence,
        }
        return save_weights(params, name=name, provenance=provenance)
    finally:
        file.unlink(missing_ok=True)


def convert_weights(file: str | Path, *, name: str) -> Path:
    """Convert a weight file that is already here, and save it.

    Args:
      file: what `read_weight_file` takes, or the zip archive that it is published in.
      name: a network whose weights are published: "googlenet_bvlc" or "inception5h".

    Returns:
      The folder the weights are saved in.

    Raises:
      OSError: if the file cannot be read or the weights cannot be written.
      ValueError: for an unknown network or weights that come with jatlas, or if the file does not
        hold the weights of that network; the message lists every mismatch.
    """
    check_published(name)
    file = Path(file)
    source = PUBLISHED_WEIGHTS[name]
    data = read_content(file, member=source.member)
    params = convert_bytes(data, origin=str(file), config=CONFIGS[name])
    provenance = {
        "file": file.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": source.licence,
    }
    return save_weights(params, name=name, provenance=provenance)


def read_content(file: Path, *, member: str | None, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a weight file, from the zip archive if it is in one.

    Args:
      file: the weight file, or the archive.
      member: the weight file's name in the archive; None for a file that is no archive.
      max_bytes: larger files and members are refused.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is too large, or the archive is damaged or has no such member.
    """
    size = file.stat().st_size
    if size > max_bytes:
        raise ValueError(f"{file}: {size} bytes are too many for a weight file")
    if member is None or not zipfile.is_zipfile(file):
        return file.read_bytes()
    try:
        with zipfile.ZipFile(file) as archive, archive.open(member) as stream:
            data = stream.read(max_bytes + 1)  # the size that the archive states may be wrong
    except Exception as error:  # zipfile raises nearly anything on a damaged archive
        raise ValueError(f"{file}: cannot read {member} in this archive: {error}") from error
    if len(data) > max_bytes:
        raise ValueError(f"{file}: {member} in it is too large for a weight file")
    return data


def _download(name: str, source: WeightsSource, *, progress: bool) -> Path:
    """Download a file, or take what an interrupted call has downloaded completely."""
    import pooch

    def download(url: str, output_file: str, pooch_: object) -> None:
        transfer = pooch.HTTPDownloader(
            progressbar=progress, chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_S
        )
        transfer(url, output_file, pooch_)
        with Path(output_file).open("rb") as file:  # such as a proxy's log-in page
            if is_web_page(file.read(256)):
                raise ValueError("it is a web page")

    try:
        file = pooch.retrieve(
            source.url,
            known_hash=f"sha256:{source.sha256}",
            fname=f"{name}.download",
            path=weights_directory(),
            downloader=download,
        )
    except OSError as error:
        response = getattr(error, "response", None)  # of what the requests library raises
        if response is None:
            raise OSError(f"cannot download {source.url}: {_reason(error)}") from error
        raise OSError(f"{source.url} answered {response.status_code} {response.reason}") from error
    except ValueError as error:
        raise ValueError(f"{source.url} is not the expected file: {error}") from error
    return Path(file)


def _reason(error: BaseException) -> str:
    """Return the innermost cause of a failed request, in one line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return " ".join(str(error).split()) or type(error).__name__
