"""Draw a contact sheet of the synthetic classes: two images of each, with its name.

Usage: python examples/03_synthetic.py SHEET.png
"""

import sys

import jax
import numpy as np
from PIL import Image, ImageDraw

from jatlas import synthetic
from jatlas.pixels import WHITE, contact_sheet, to_uint8

PER_CLASS, SIDE, GAP, TITLE = 2, 64, 6, 14  # images of a class; the rest in pixels
COLUMNS = 8


def main(path):
    key = jax.random.key(0)
    batch = synthetic.batch(key=key, per_class=PER_CLASS, size=SIDE)
    images = to_uint8(np.asarray(batch.pixels)).reshape(PER_CLASS, -1, SIDE, SIDE, 3)

    # Every image comes with its factors of variation.
    star = synthetic.draw("star", key=key, size=SIDE)
    print({name: round(float(value), 2) for name, value in star.factors._asdict().items()})

    pairs = np.concatenate(list(images), axis=2)  # the images of a class side by side
    margins = ((0, 0), (TITLE, GAP), (0, GAP), (0, 0))
    framed = np.pad(pairs, margins, constant_values=WHITE)
    sheet = Image.fromarray(contact_sheet(framed, columns=COLUMNS))
    text = ImageDraw.Draw(sheet)
    for label, name in enumerate(synthetic.CLASSES):
        row, column = divmod(label, COLUMNS)
        text.text((column * framed.shape[2], row * framed.shape[1] + 1), name, fill="black")
    sheet.save(path)
    print(f"wrote {path}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
