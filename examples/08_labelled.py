"""A map of one or two classes as a picture with names: the class with most evidence in each cell.

Usage: python examples/08_labelled.py ATLAS MAP OUT.jpg

MAP is its name in the atlas, such as mixed5b-class-277 or mixed5b-compare-567-909. If the atlas has
exemplars, the nearest real image patch is drawn into the corner of each icon.
"""

import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import jatlas
from jatlas.pixels import mosaic

PX, INSET, MARGIN = 110, 36, 30


def shorten(text, font, width):
    """Shorten a text until it fits."""
    while font.getlength(text) > width:
        text = text.rstrip("…")[:-1] + "…"
    return text


def resized(images, px):
    """Resize images (n, h, w, 3) uint8."""
    return np.stack([Image.fromarray(x).resize((px, px), Image.Resampling.LANCZOS) for x in images])


def main(folder, path, out):
    atlas = jatlas.load(folder)
    class_map = atlas.find(path)
    grid = class_map.grids[0]
    icons = resized(grid.icons.images, PX)
    if grid.crops is not None:
        icons[:, :INSET, -INSET:] = resized(grid.crops[:, 0], INSET)
    side = grid.size * PX
    sheet = Image.new("RGB", (side, side + MARGIN), "white")
    sheet.paste(Image.fromarray(mosaic(icons, grid.cells, size=grid.size, px=PX)), (0, MARGIN))
    draw = ImageDraw.Draw(sheet)
    small, large = ImageFont.load_default(11), ImageFont.load_default(17)
    names = [atlas.classes[index] for index in class_map.classes]
    title = names[0] if len(names) == 1 else f"more for {names[0]}"
    draw.text((4, 4), title, font=large, fill="black")
    if len(names) == 2:
        draw.text((side - 4, 4), f"more for {names[1]}", font=large, fill="black", anchor="ra")
    for cell in grid.cells.tolist():
        row, column = divmod(cell, grid.size)
        label = atlas.classes[int(np.argmax(grid.evidence[row, column]))]
        draw.text(
            (column * PX + 3, (row + 1) * PX + MARGIN - 15),
            shorten(label, small, PX - 6),
            font=small,
            fill="white",
            stroke_width=2,
            stroke_fill="black",
        )
    sheet.save(out, quality=88)
    print(f"wrote {out}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
