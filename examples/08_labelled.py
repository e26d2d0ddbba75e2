"""A map of one or two classes as a picture with names: what each cell speaks for most.

Usage: python examples/08_labelled.py ATLAS MAP OUT.jpg

MAP is its name in the atlas, such as mixed5b-class-277 or mixed5b-compare-567-909. Where an atlas
has exemplars, the nearest real place is drawn into the corner of each icon.
"""

import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import jatlas

PX, INSET, MARGIN = 110, 36, 30


def fitting(text, font, width):
    """Shorten a text until it fits."""
    while font.getlength(text) > width:
        text = text.rstrip("…")[:-1] + "…"
    return text


def main(folder, path, out):
    atlas = jatlas.load(folder)
    owner = atlas.find(path)
    grid = owner.grids[0]
    side = grid.size * PX
    sheet = Image.new("RGB", (side, side + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    small, large = ImageFont.load_default(11), ImageFont.load_default(17)
    names = [atlas.classes[index] for index in owner.classes]
    title = names[0] if len(names) == 1 else f"more for {names[0]}"
    draw.text((4, 4), title, font=large, fill="black")
    if len(names) == 2:
        draw.text((side - 4, 4), f"more for {names[1]}", font=large, fill="black", anchor="ra")
    for i, cell in enumerate(grid.cells.tolist()):
        row, column = divmod(cell, grid.size)
        x, y = column * PX, row * PX + MARGIN
        icon = Image.fromarray(grid.icons.images[i]).resize((PX, PX), Image.Resampling.LANCZOS)
        sheet.paste(icon, (x, y))
        if grid.crops is not None:
            real = Image.fromarray(grid.crops[i, 0]).resize(
                (INSET, INSET), Image.Resampling.LANCZOS
            )
            sheet.paste(real, (x + PX - INSET, y))
        label = atlas.classes[int(np.argmax(grid.evidence[row, column]))]
        draw.text(
            (x + 3, y + PX - 15), fitting(label, small, PX - 6), font=small, fill="white",
            stroke_width=2, stroke_fill="black",
        )  # fmt: skip
    sheet.save(out, quality=88)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
