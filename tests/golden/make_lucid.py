"""Cut tests/golden/lucid.npz out of a larger file of what lucid's own code computes.

Usage: python tests/golden/make_lucid.py golden_lucid.npz

The larger file (836 kB) was made by running lucid 0.3.10, on TensorFlow 1.15, on random arrays. It
holds `spectrum_HxW` (2 for real and imaginary part, batch, channel, H, W // 2 + 1), the parameters
of lucid's FFT image; `raw_HxW` (batch, H, W, channel), the image before colour; `rgb_HxW`, the
image after decorrelation and sigmoid; and `act`, `vec` (rows, 512) with `dot_cossim_p{0,1,2,4}`
(rows,), lucid's objective of each pair of rows with that power of the cosine.

Kept are the first image of 64 x 96 px, whose `spectrum` (2, 3, 64, 49) is kept whole, as each
frequency matters to each pixel, with every fourth pixel of `raw` and `rgb` (16, 24, 3); and three
rows of the objective.
"""

import sys
from pathlib import Path

import numpy as np

STRIDE, ROWS = 4, 3


def main(source: str) -> None:
    with np.load(source) as full:
        kept = {
            "spectrum": full["spectrum_64x96"][:, 0],
            "raw": full["raw_64x96"][0, ::STRIDE, ::STRIDE],
            "rgb": full["rgb_64x96"][0, ::STRIDE, ::STRIDE],
            **{x: full[x][:ROWS] for x in full.files if x.startswith(("act", "vec", "dot"))},
        }
    np.savez_compressed(Path(__file__).with_name("lucid.npz"), **kept)


if __name__ == "__main__":
    main(*sys.argv[1:])
