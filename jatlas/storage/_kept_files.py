"""Small results kept in a folder: each file with a checksum, as damage could make another."""

import contextlib
import hashlib
from pathlib import Path

from jatlas.storage.files import replacing

_DIGEST = hashlib.sha256().digest_size


class KeptFiles:
    """Results in a folder; what cannot be read is not there, what cannot be written is not kept.

    Example:
      >>> import tempfile
      >>> files = KeptFiles(Path(tempfile.mkdtemp()))
      >>> files.put("step", b"a program")
      >>> files.get("step"), files.get("another")
      (b'a program', None)
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder, which exists."""
        self._folder = folder

    def get(self, name: str) -> bytes | None:
        """Return a result, or None if it is not there or damaged."""
        with contextlib.suppress(OSError):
            content = (self._folder / name).read_bytes()
            digest, data = content[:_DIGEST], content[_DIGEST:]
            return data if hashlib.sha256(data).digest() == digest else None
        return None

    def put(self, name: str, data: bytes) -> None:
        """Keep a result, if the folder can be written."""
        with contextlib.suppress(OSError), replacing(self._folder / name) as file:
            file.write(hashlib.sha256(data).digest() + data)
