"""Draw a contact sheet of the synthetic classes: a few images of each, under its name.

Usage: python examples/03_synthetic.py SHEET.png
"""

import sys

import jax
import numpy as np
from PIL import Image, ImageDraw

from jatlas import synthetic
from jatlas.pixels import to_uint8

EACH, SIDE, GAP, NAME = 2, 64, 6, 14  # images of each class; the rest in pixels
COLUMNS = 8


def main(path):
    key = jax.random.key(0)
    made = synthetic.batch(key=key, per_class=EACH, size=SIDE)
    pixels = to_uint8(np.asarray(made.pixels)).reshape(EACH, -1, SIDE, SIDE, 3)

    # Every image comes with what is known about it.
    star = synthetic.draw("star", key=key, size=SIDE)
    print({name: round(float(value), 2) for name, value in star.factors._asdict().items()})

    width, height = EACH * SIDE + GAP, NAME + SIDE + GAP
    rows = -(-len(synthetic.CLASSES) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width + GAP, rows * height), "white")
    text = ImageDraw.Draw(sheet)
    for label, name in enumerate(synthetic.CLASSES):
        row, column = divmod(label, COLUMNS)
        left, top = GAP + column * width, row * height
        text.text((left, top + 1), name, fill="black")
        for number in range(EACH):
            image = Image.fromarray(pixels[number, label])
            sheet.paste(image, (left + number * SIDE, top + NAME))
    sheet.save(path)
    print(f"wrote {path}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
