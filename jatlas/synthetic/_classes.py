"""The classes: how each is painted, and its ranges of colours, sizes and positions."""

from typing import NamedTuple

from jatlas.synthetic import _materials as materials
from jatlas.synthetic import _nature as nature
from jatlas.synthetic import _patterns as patterns
from jatlas.synthetic import _scenes as scenes
from jatlas.synthetic import _things as things
from jatlas.synthetic._canvas import Field, Paint, polar, streaks, voronoi


class Spec(NamedTuple):
    """How one class is drawn.

    Attributes:
      name: in plain words, lower case.
      paint: paints a canvas into planes.
      palettes: three names, equally likely.
      inks: index into the palette, as a digit, of the ground and of each layer.
      scale: smallest and largest scale.
      tilt: maximum orientation to either side, in degrees.
      shift: maximum distance of the position from the centre, vertical and horizontal.
      field: computes planes that several classes share, once for all of them; None if unused.
    """

    name: str
    paint: Paint
    palettes: str
    inks: str
    scale: tuple[float, float]
    tilt: float
    shift: tuple[float, float]
    field: Field | None = None


def _texture(
    paint: Paint,
    palettes: str,
    inks: str,
    scale: tuple[float, float],
    *,
    tilt: float = 180,
    shift: float = 0.5,
    field: Field | None = None,
) -> Spec:
    name = paint.__name__.replace("_", " ")
    return Spec(name, paint, palettes, inks, scale, tilt, (shift, shift), field)


def _object(
    paint: Paint,
    palettes: str,
    inks: str,
    *,
    scale: tuple[float, float] = (0.3, 0.44),
    tilt: float = 18,
    field: Field | None = None,
) -> Spec:
    name = paint.__name__.replace("_", " ")
    return Spec(name, paint, palettes, inks, scale, tilt, (0.09, 0.09), field)


def _scene(
    paint: Paint,
    palettes: str,
    inks: str,
    *,
    scale: tuple[float, float] = (0.8, 1.2),
    shift: tuple[float, float] = (0.12, 0.25),
    field: Field | None = None,
) -> Spec:
    name = paint.__name__.replace("_", " ")
    return Spec(name, paint, palettes, inks, scale, 4, shift, field)


p, m, n, t, s = patterns, materials, nature, things, scenes
SPECS: tuple[Spec, ...] = (
    _texture(p.grating, "ink violet tangerine", "042130", (0.1, 0.3)),
    _texture(p.checkerboard, "ink cherry leaf", "420130", (0.09, 0.2)),
    _texture(p.polka_dots, "cherry candy ocean", "043210", (0.13, 0.28)),
    _texture(p.brick_wall, "clay sand slate", "014235", (0.24, 0.4), tilt=12),
    _texture(p.tiles, "ocean bone aqua", "413240", (0.25, 0.45), tilt=45),
    _texture(p.honeycomb, "honey sun tangerine", "203145", (0.16, 0.28)),
    _texture(p.scales, "aqua leaf ocean", "012435", (0.17, 0.32), tilt=40),
    _texture(p.waves, "ocean mint rose", "014325", (0.2, 0.34), tilt=35),
    _texture(p.tartan, "cherry forest ocean", "023145", (0.28, 0.5), tilt=45),
    _texture(m.wood, "chocolate honey sand", "012200", (0.3, 0.5), tilt=90, field=streaks),
    _texture(m.fur, "chocolate tangerine slate", "012400", (0.3, 0.55), field=streaks),
    _texture(m.grass, "leaf moss forest", "013200", (0.25, 0.4), tilt=15),
    _texture(m.pebbles, "bone slate sand", "013420", (0.15, 0.28), field=voronoi),
    _texture(m.cracked_mud, "sand clay bone", "012000", (0.2, 0.36), field=voronoi),
    _texture(m.stained_glass, "candy cherry sun", "013542", (0.2, 0.36), field=voronoi),
    _texture(m.leopard, "honey sand bone", "132000", (0.17, 0.28), field=voronoi),
    _texture(p.zebra, "ink bone plum", "420000", (0.14, 0.24)),
    _texture(p.spiral, "rose violet sun", "402000", (0.12, 0.24), shift=0.2, field=polar),
    _texture(p.rings, "cherry aqua plum", "043000", (0.13, 0.26), shift=0.2, field=polar),
    _texture(p.sunburst, "sun sky tangerine", "014300", (0.2, 0.4), shift=0.22, field=polar),
    _texture(p.weave, "honey chocolate bone", "012000", (0.13, 0.24), tilt=45),
    _texture(m.leaf_litter, "autumn honey forest", "013520", (0.25, 0.42)),
    _texture(p.chain_link, "slate ink bone", "140000", (0.2, 0.34), tilt=20),
    _texture(m.bubbles, "aqua ocean violet", "015440", (0.28, 0.48), tilt=20),
    _texture(m.water, "aqua sky ocean", "012400", (0.22, 0.38)),
    _texture(p.maze, "neon violet leaf", "204000", (0.14, 0.24), tilt=45),
    _object(n.eye, "ocean leaf chocolate", "402242"),
    _object(n.face, "honey sand chocolate", "433240"),
    _object(n.cat, "slate tangerine ink", "013240"),
    _object(t.star, "sun cherry aqua", "014000", tilt=180, field=polar),
    _object(t.gem, "aqua rose violet", "014400", tilt=180, field=polar),
    _object(t.heart, "cherry rose plum", "014000"),
    _object(n.daisy, "snow rose violet", "412330", tilt=180, field=polar),
    _object(n.sunflower, "sun honey tangerine", "102120", tilt=180, field=polar),
    _object(t.wheel, "slate cherry bone", "023000", tilt=180, field=polar),
    _object(n.citrus, "tangerine sun leaf", "041400", tilt=180, field=polar),
    _object(n.snowflake, "sky snow aqua", "140000", tilt=180, field=polar),
    _object(t.doughnut, "candy chocolate rose", "304150", tilt=180, field=polar),
    _object(n.fish, "tangerine aqua sun", "014142"),
    _object(n.butterfly, "tangerine violet ocean", "203420"),
    _object(n.beetle, "cherry tangerine leaf", "202440", tilt=180),
    _object(n.mushroom, "cherry clay plum", "402400"),
    _object(n.tree, "leaf autumn forest", "201330"),
    _object(n.cactus, "leaf moss aqua", "013500"),
    _object(t.house, "bone clay sky", "052340"),
    _object(t.umbrella, "rose sun violet", "204000"),
    _object(t.balloon, "cherry sky candy", "034200"),
    _object(t.sailing_boat, "ocean cherry sun", "410320"),
    _object(t.rocket, "snow cherry ocean", "453221"),
    _object(t.clock, "cherry slate leaf", "042230", field=polar),
    _object(t.letter, "ink cherry violet", "010000"),
    _object(t.car, "cherry sun aqua", "014240"),
    _object(t.lantern, "cherry tangerine rose", "032000"),
    _scene(s.meadow, "noon spring dawn", "014235"),
    _scene(s.mountains, "noon dawn dusk", "015420"),
    _scene(s.night_sky, "night polar violet", "014132"),
    _scene(s.sunset, "dusk heat dawn", "014304"),
    _scene(s.picket_fence, "noon spring dawn", "012240"),
    _scene(s.road, "highway outback nightfall", "012540"),
    _scene(s.skyline, "dusk night storm", "012230"),
    _scene(s.forest, "forest moss autumn", "412020"),
    _scene(s.rainbow, "shower clearing evening", "053142"),
    _scene(s.windows, "clay slate bone", "042300"),
    _scene(s.fireworks, "night polar dusk", "213540"),
)
NAMES = tuple(spec.name for spec in SPECS)
