"""Icons with the colours and frequencies of your own images, beside the usual ones.

Usage: python examples/13_statistics.py FOLDER_OF_IMAGES PICTURE.png

The colours and the magnitude of each frequency are measured on the images, and become settings of
the parameterizations. Columns are directions of single channels; the rows from the top: the
default; the measured spectrum and colours; MACO; MACO with the measured magnitudes.
"""

import sys

import jax
import numpy as np
from PIL import Image

import jatlas
from jatlas import MACO, Fourier, RenderConfig
from jatlas.pixels import contact_sheet, to_uint8
from jatlas.visualize import color_correlation_of, magnitude_spectrum

NETWORK, LAYER, ICONS, SIZE = "googlenet_bvlc", "mixed4c", 8, 80
IMAGES, SIDE = 200, 224  # the images, and their side in pixels


def main(folder, picture):
    network, params = jatlas.load_network(NETWORK)
    loaded = jatlas.folder(folder, size=SIDE, limit=IMAGES).load()
    images = np.stack([item.image for item in loaded if item.image is not None]) / np.float32(255)

    colors = color_correlation_of(images)
    print(f"colour axes of {len(images)} images, as columns:\n{np.asarray(colors).round(2)}")
    spectrum = magnitude_spectrum(images, size=SIZE, colors=colors)
    brightness = np.asarray(spectrum)[0, 0, 1:]
    frequency = np.arange(1, len(brightness) + 1)
    decay = -np.polyfit(np.log(frequency), np.log(brightness), 1)[0]
    print(f"the magnitude of brightness falls with frequency^-{decay:.2f}")

    rows = []
    for parameterization in (
        RenderConfig.parameterization,
        Fourier(spectrum=spectrum, colors=colors),
        MACO(),
        MACO(spectrum=spectrum, colors=colors),
    ):
        icons = jatlas.render(
            network,
            params,
            np.arange(ICONS) * 60,
            layer=LAYER,
            key=jax.random.key(0),
            config=RenderConfig(
                icon_size=SIZE, objective=jatlas.Channel(), parameterization=parameterization
            ),
        )
        rows.append(to_uint8(icons.images))
    Image.fromarray(contact_sheet(np.concatenate(rows), columns=ICONS)).save(picture)
    print(f"wrote {picture}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
