"""Picture files that commands are given: one bad file is named and passed over."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jatlas.cli._pictures import Pictures, read_picture
from jatlas.collect import Preprocess

SQUARE = Preprocess(size=8)


@pytest.mark.slow
def test_one_bad_picture_does_not_end_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "fine.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "link.jpg").symlink_to("/nowhere")
    (tmp_path / "notes.txt").touch()
    pictures = Pictures((tmp_path, tmp_path / "gone.png"), SQUARE)
    assert [path.name for path in pictures.paths] == ["fine.png"]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 5
    for name in ("bomb.png", "text.jpg", "link.jpg", "gone.png", "*.txt"):
        assert any(line.startswith("skipped ") and name in line for line in said), name
    (pixels,) = pictures
    np.testing.assert_array_equal(pixels, np.broadcast_to(np.float32([1, 0, 0]), (8, 8, 3)))
    (tmp_path / "fine.png").unlink()
    with pytest.raises(ValueError, match=r"fine\.png: it was read before, and now: No such file"):
        list(pictures)


def test_a_patch_is_read_as_an_image_is(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png").shape == (4, 4, 4)
    Image.fromarray(np.full((4, 4), 32768, np.uint16)).save(tmp_path / "grey.png")
    np.testing.assert_allclose(read_picture(tmp_path / "grey.png"), np.float32(128 / 255))
    with pytest.raises(ValueError, match=r"gone\.png: No such file"):
        read_picture(tmp_path / "gone.png")
