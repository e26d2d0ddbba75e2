"""A folder to serve, with secrets around it, which several test modules share."""

import os
from pathlib import Path

SECRET = b"not for you"


def make(outside: Path) -> Path:
    """Make a folder with a page inside another folder; links lead out of it and nowhere."""
    inside = outside / "atlas"
    (inside / "viewer").mkdir(parents=True)
    (inside / "index.html").write_text("<p>page")
    (inside / "viewer" / "viewer.js").write_text("2")
    (inside / "viewer" / "data").mkdir()
    (inside / "viewer" / "data" / "atlas.js").write_text("(self.jatlasParts=0)")
    (outside / "secret.txt").write_bytes(SECRET)
    (outside / "atlas-2").mkdir()
    (outside / "atlas-2" / "secret.txt").write_bytes(SECRET)
    (inside / "link.txt").symlink_to(outside / "secret.txt")
    (inside / "linked").symlink_to(outside)
    (inside / "loop").symlink_to("loop")
    if hasattr(os, "mkfifo"):
        os.mkfifo(inside / "pipe")
    return inside
