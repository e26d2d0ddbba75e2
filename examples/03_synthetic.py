"""Draw a contact sheet of the synthetic classes: a row each, with its name.

Usage: python examples/03_synthetic.py SHEET.png
"""

import sys
from pathlib import Path

import jax
import numpy as np
from PIL import Image, ImageDraw

from jatlas import synthetic
from jatlas.files import write_image
from jatlas.show.plot import to_uint8

EACH, SIDE, GAP, NAME = 6, 96, 4, 96  # images per class; the rest in pixels
COLUMNS = 4


def main():
    key = jax.random.key(0)
    made = synthetic.batch(key=key, per_class=EACH, size=SIDE)
    pixels = to_uint8(np.asarray(made.pixels)).reshape(EACH, -1, SIDE, SIDE, 3)

    # Every image comes with what is known about it.
    star = synthetic.draw("star", key=key, size=SIDE)
    print({name: round(float(value), 2) for name, value in star.factors._asdict().items()})

    rows = -(-len(synthetic.CLASSES) // COLUMNS)
    width = NAME + EACH * (SIDE + GAP)
    sheet = Image.new("RGB", (COLUMNS * width, rows * (SIDE + GAP)), "white")
    text = ImageDraw.Draw(sheet)
    for label, name in enumerate(synthetic.CLASSES):
        left, top = label // rows * width, label % rows * (SIDE + GAP)
        text.text((left + 6, top + SIDE // 2 - 6), name, fill="black")
        for number in range(EACH):
            place = (left + NAME + number * (SIDE + GAP), top)
            sheet.paste(Image.fromarray(pixels[number, label]), place)
    write_image(Path(sys.argv[1]), np.asarray(sheet))
    print(f"wrote {sys.argv[1]}")


if __name__ == "__main__":
    main()
