"""Download one file: resumable, and nothing but the right bytes comes out.

What has arrived lies in a part file. It stays there when the connection breaks, so that the next
call goes on; it is deleted when it is complete and not the expected file.
"""

import dataclasses
import hashlib
import http.client
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from tqdm import tqdm

_CHUNK = 1 << 18
_TIMEOUT_S = 30.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Body:
    # An open answer: its first bytes, where in the file they belong, the size of the whole file.
    stream: IO[bytes]
    head: bytes
    start: int
    total: int | None


def download(url: str, *, part: Path, digest: str, most_bytes: int, progress: bool = True) -> None:
    """Download a file and check its digest.

    Args:
      url: where the file is, http or https.
      part: where it is put. What an earlier call left there is not downloaded again.
      digest: "sha256:..." or "sha1:..." and the hex digits, of the whole file.
      most_bytes: a longer answer is refused.
      progress: whether to show a bar.

    Raises:
      OSError: if the server cannot be reached, refuses, or the connection breaks; what has
        arrived stays in `part`.
      ValueError: if what arrived is a web page, too long, or not the expected file; `part` does
        not hold it then.
    """
    if part.exists() and file_digest(part, like=digest) == digest:
        return
    request = urllib.request.Request(url, headers={"User-Agent": "jatlas"})
    have = part.stat().st_size if part.exists() else 0
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as stream:
            _receive(_open(url, stream), url=url, part=part, most_bytes=most_bytes, bar=progress)
    except urllib.error.HTTPError as error:
        error.close()
        # The part is as long as the file or longer, and not the file: start again without it.
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise OSError(f"{url} answered {error.code} {error.reason}") from error
        part.unlink()
        return download(url, part=part, digest=digest, most_bytes=most_bytes, progress=progress)
    except urllib.error.URLError as error:
        raise OSError(f"cannot reach {url}: {error.reason}") from error
    except http.client.HTTPException as error:
        raise OSError(f"the connection to {url} broke ({error!r}): try again") from error
    got = file_digest(part, like=digest)
    if got != digest:
        part.unlink()
        if have:  # what lay there may have been of another file
            return download(url, part=part, digest=digest, most_bytes=most_bytes, progress=progress)
        raise ValueError(f"{url} is not the expected file: expected {digest}, got {got}")


def file_digest(path: Path, *, like: str) -> str:
    """Return the digest of a file, by the algorithm of another digest ("sha1:...").

    Raises:
      OSError: if the file cannot be read.
      ValueError: if the algorithm is unknown.
    """
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def is_web_page(data: bytes) -> bool:
    """Say whether the content of a file begins as that of a web page."""
    return data[:256].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))


def _open(url: str, response: http.client.HTTPResponse) -> _Body:
    # Looked at before the part file is touched: a page about a login or a lost file comes with
    # status 200 from many proxies.
    head = response.read(_CHUNK)
    kind = response.headers.get_content_type()
    if kind == "text/html" or is_web_page(head):
        raise ValueError(f"{url} gave a web page instead of a file")
    length = response.headers.get("Content-Length")
    start = 0
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        given = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if not given:
            raise OSError(f"{url} sent a part of the file without saying which")
        start = int(given[1])
    total = start + int(length) if length and length.isdigit() else None
    return _Body(stream=response, head=head, start=start, total=total)


def _receive(body: _Body, *, url: str, part: Path, most_bytes: int, bar: bool) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    done = body.start
    with (
        part.open("r+b" if part.exists() else "wb") as file,
        tqdm(
            desc=part.stem,
            total=body.total,
            initial=done,
            unit="B",
            unit_scale=True,
            disable=not bar,
        ) as shown,
    ):
        file.seek(done)
        file.truncate()  # a server without ranges starts from the beginning
        chunk = body.head
        while chunk and done + len(chunk) <= most_bytes:
            file.write(chunk)
            done += len(chunk)
            shown.update(len(chunk))
            try:
                chunk = body.stream.read(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _broken(url, done, body.total) from error
    if chunk:
        part.unlink()
        raise ValueError(f"{url} is longer than {most_bytes} bytes: not the expected file")
    if body.total is not None and done < body.total:
        raise _broken(url, done, body.total)


def _broken(url: str, done: int, total: int | None) -> OSError:
    whole = "" if total is None else f" of {total}"
    return OSError(
        f"the connection to {url} broke after {done}{whole} bytes; "
        "the same command goes on from there"
    )
