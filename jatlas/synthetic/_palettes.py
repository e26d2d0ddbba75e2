"""The colours of synthetic images: palettes of six inks, each shared by several classes.

An ink has the same role in every palette: 0 main, 1 secondary, 2 dark, 3 accent, 4 light,
5 second accent. In palettes of scenes 0 is the upper sky, 1 the sky at the horizon, 2 the ground.
"""

import numpy as np

from jatlas.types import HostArray

INKS = 6

PALETTES: dict[str, str] = {
    "clay": "b5533c d98a5f 4a2a22 e8b26a f3e3cf 4f7f86",
    "sand": "d9b679 c08f4f 5b4126 e0713d f7ecd2 3f8f8c",
    "slate": "6b7a8c 93a5b5 2b333f d9a441 e6ecf0 b5533c",
    "moss": "5d7d3a 8fae4b 24351c d8c24a e9efc8 b0622e",
    "leaf": "3f9b45 7cc44f 163f24 f2d441 eaf7c9 e5402f",
    "ocean": "1f6fae 3fb3d6 0c2d57 f5a63c e4f6fb e0537a",
    "aqua": "29b6b0 7fe0d0 0e4b55 ff7f66 f0fffb f7c325",
    "sky": "7cc3f0 b9e1f9 2a5d94 ffd65c ffffff f2802a",
    "rose": "e0537a f598ae 6b1636 ffd166 fff0f3 29b6b0",
    "cherry": "cf2233 f0605a 4f0b17 ffd75e fff1e6 2e6b3c",
    "plum": "7a3f9d b57fd0 2b1240 ffb84d f5e9fb 3fb3d6",
    "violet": "5a4fcf 9a8cf0 1d1757 ff7ac6 efecff f7c325",
    "sun": "f7c325 fb9a2b 7a3b10 e5402f fff6d0 1f6fae",
    "tangerine": "f2802a fbb14f 6a2a0c 2f8fa8 fff1dc 7a3f9d",
    "chocolate": "6f452b a3734a 2a170d e9b872 f6e7d3 cf2233",
    "honey": "e9a62a f7cf62 6d3e0c b4561c fff3c9 5d7d3a",
    "bone": "e5dccb c9b99c 4d4336 a8623f fffaf0 6b7a8c",
    "ink": "22252e 5b6272 0b0c10 d94f4f f4f4f6 29b6b0",
    "snow": "dfe9f2 b4cbe0 42566e 5aa7dd ffffff e0537a",
    "mint": "9ad9b1 c9efcf 2c6148 f08a5d fafff7 5a4fcf",
    "candy": "ff6fa8 6fd3ff 5a2a82 ffe15a ffffff 7ee081",
    "neon": "12d6c5 f72fa0 1a0b3a f9f02f ffffff 5a4fff",
    "autumn": "c8511d e8a02c 5a2413 93281f f9e2b0 7d8a34",
    "forest": "2e6b3c 6d8f3f 18301c b0622e d7e6b0 e9a62a",
    # Scenes.
    "noon": "2f82d8 bfe4f8 4f933a f7d23e ffffff d2493a",
    "dawn": "7f9fe0 ffcdb0 6a7a48 ff8f70 fff5e6 b0486e",
    "dusk": "4b3a8f f7905a 3a2440 ffd166 ffe9d0 c23b5a",
    "night": "0a0f2e 2a3578 0b0e1a f7e08c ffffff ff7a59",
    "polar": "0d3b4f 3fd0a5 10222e b6f5d8 f2fffb 8f7af0",
    "heat": "e8a04a fbe3b0 b8652e d9822f fff4dc 7f3b24",
    "storm": "56667a aebccb 35453d e4d27a eef3f6 8f4f3f",
    "spring": "63bff0 e6f6d8 6fb84a ff8fb5 ffffff ffe15a",
    "shower": "7fb4e0 4caf50 4f933a ffd93d 3d5afe e53935",
    "clearing": "a9c3d6 43a047 6a8f4a fdd835 5e35b1 f4511e",
    "evening": "8c86c9 66bb6a 5a7a3a ffee58 1e88e5 ec407a",
    "highway": "4a9be8 cfeafa 5f9440 ffd447 ffffff 4a4d55",
    "outback": "6fb5e6 f7e6c4 c98d4e ffe9a8 ffffff 55494a",
    "nightfall": "56519e f59a6a 41503c ffd166 fff0d8 3a3846",
}


def table() -> HostArray:
    """Return the inks of all palettes: (palettes, INKS, 3) float32 RGB in [0, 1].

    Example:
      >>> (255 * table()[0, 0]).round().tolist()  # b5533c, the first ink of clay
      [181.0, 83.0, 60.0]
    """
    values = [[int(ink, 16) for ink in inks.split()] for inks in PALETTES.values()]
    shifts = np.array([16, 8, 0])
    return ((np.array(values)[..., None] >> shifts) & 255).astype(np.float32) / 255
