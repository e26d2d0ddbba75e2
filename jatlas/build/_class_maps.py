"""Maps of one or two classes, for an atlas that is there."""

import dataclasses
import os
from pathlib import Path

import jax
import numpy as np

from jatlas.storage import load
from jatlas.storage import _files as files
from jatlas.storage._format import JSON, map_entry, write_map
from jatlas.storage import read_info
from jatlas.records import Atlas, class_name
from jatlas.records import Grid, Map
from jatlas.collect import ImageSource
from jatlas.storage import Checkpoints
from jatlas.build._cells import DrawConfig, Job, draw, settings, timed
from jatlas.explain import ClassSelection, ComparisonSelection
from jatlas.explain import select_class, select_comparison
from jatlas.model import Network
from jatlas.model import digest
from jatlas.build._crops import images_of
from jatlas.records import Samples
from jatlas.show import export_folder, has_page
from jatlas.records import Info
from jatlas.types import HostArray, Key, Params
from jatlas.visualize import RenderConfig
from jatlas.visualize import RandomViews

RIDGE = 0.1
_IN_VIEW = 3  # cells of the layer, along each side


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapConfig:
    """What decides a map of one or two classes.

    Attributes:
      classes: index of the class, or of the one on the left and the one on the right.
      layer: whose samples are used; None means the only layer of the atlas.
      choice: which samples, and how many cells: a `ClassSelection` for one class, a
        `ComparisonSelection` for two; None means the default of either.
      drawing: how cells become pictures; None means `drawing_for` the layer.
    """

    classes: tuple[int, ...]
    layer: str | None = None
    choice: ClassSelection | ComparisonSelection | None = None
    drawing: DrawConfig | None = None

    def __post_init__(self) -> None:
        """Check that there are one or two classes, and fill in the choice."""
        kinds = {1: ClassSelection, 2: ComparisonSelection}
        if len(self.classes) not in kinds:
            raise ValueError(f"classes: expected one or two, got {self.classes}")
        kind = kinds[len(self.classes)]
        if self.choice is None:
            object.__setattr__(self, "choice", kind())
        elif not isinstance(self.choice, kind):
            raise ValueError(
                f"choice: expected a {kind.__name__} for {len(self.classes)} classes, got a "
                f"{type(self.choice).__name__}"
            )


def drawing_for(network: Network, params: Params, *, layer: str) -> DrawConfig:
    """Return how cells of few samples of a layer, a late one too, become pictures.

    Views grow until they hold three cells of the layer along each side: smaller ones show a late
    layer hardly anything but its own padding. And the ridge is larger than for a whole layer.
    Of 12 cells of mixed5b, 14,000 samples of 700 images, with 128 steps and views at any place
    alike, the network took 1 icon for its cell's label with views of 48 px, 5 with 96 px and 8 with
    the larger ridge too; among its first five it had 2, 7 and 11 of them, and 9 without whitening.

    Args:
      network: the network.
      params: its parameters.
      layer: the stage.

    Returns:
      DrawConfig.

    Raises:
      ValueError: if there is no such layer, or it has no positions.
    """
    side = network.input_size
    cells, _, _ = network.activation_shape(params, (side, side), layer=layer)
    views = RandomViews(size=max(RandomViews.size, _IN_VIEW * side // cells))
    return DrawConfig(ridge=RIDGE, render=RenderConfig(views=views))


def with_map(
    network: Network,
    params: Params,
    atlas: Atlas,
    config: MapConfig,
    *,
    key: Key,
    images: ImageSource | None = None,
    chunk: int | None = None,
    progress: bool = True,
) -> Atlas:
    """Give an atlas a map of the samples that matter for one class, or two.

    Args:
      network: the network that the atlas is of.
      params: its parameters.
      atlas: the atlas; it is not changed.
      config: what the map is of.
      key: seeds the layout and the icons.
      images: where the atlas's images are; None means where they were, if it was a folder.
      chunk: icons that are optimized at once, no matter for the result; None asks the compiler.
      progress: whether to show progress bars.

    Returns:
      The atlas with one map more, the last.

    Raises:
      ValueError: if the atlas is of another network or has such a map, there is no such class or
        layer, or too few samples matter.
    """
    config = _filled(network, params, atlas, config)
    blank = _blank(atlas, config, key)
    if any(each.path == blank.path for each in atlas.maps):
        raise ValueError(f"classes: the atlas has the map {blank.path} already")
    made = _made(
        network, params, atlas, config, blank, Checkpoints(None),
        key=key, images=images, chunk=chunk, progress=progress,
    )  # fmt: skip
    return dataclasses.replace(atlas, maps=(*atlas.maps, made))


def add_map(
    folder: str | Path,
    network: Network,
    params: Params,
    config: MapConfig,
    *,
    key: Key,
    images: ImageSource | None = None,
    overwrite: bool = False,
    chunk: int | None = None,
    progress: bool = True,
) -> Map:
    """Add a map of one or two classes to an atlas folder, whole or not at all.

    What is done is kept beside the folder, and after an interruption the same call goes on from
    there. The page of the atlas is written anew, if it has one.

    Args:
      folder: the atlas.
      network: the network that it is of.
      params: its parameters.
      config: what the map is of.
      key: seeds the layout and the icons.
      images: where the atlas's images are; None means where they were, if it was a folder.
      overwrite: whether such a map that is there may be replaced.
      chunk: icons that are optimized at once, no matter for the result; None asks the compiler.
      progress: whether to show progress bars.

    Returns:
      The map.

    Raises:
      FileNotFoundError: if there is no atlas.
      ValueError: as `with_map`; a map that is there is refused without `overwrite`.
      OSError: if it cannot be saved; the atlas is as it was, and what is done stays beside it.
    """
    place = Path(os.path.abspath(folder))
    atlas = load(place)
    config = _filled(network, params, atlas, config)
    blank = _blank(atlas, config, key)
    path = blank.path
    if any(each.path == path for each in atlas.maps) and not overwrite:
        raise ValueError(f"{place} has the map {path} already: look there, or ask to overwrite it")
    check_network(atlas, network, params)
    identity = {"map": path, "settings": blank.settings, "weights_sha256": digest(params)}
    checkpoints = Checkpoints.open(place.with_name(f"{place.name}.{path}.partial"), identity)
    try:
        made = _made(
            network, params, atlas, config, blank, checkpoints,
            key=key, images=images, chunk=chunk, progress=progress,
        )  # fmt: skip
    except ValueError:
        checkpoints.close()  # what was asked for cannot be had: there is nothing to go on from
        raise
    put(place, made, atlas)
    checkpoints.close()
    return made


def _filled(network: Network, params: Params, atlas: Atlas, config: MapConfig) -> MapConfig:
    """Return the config with what it leaves open."""
    if config.drawing is not None:
        return config
    layer = atlas.layer(config.layer).layer
    return dataclasses.replace(config, drawing=drawing_for(network, params, layer=layer))


def _blank(atlas: Atlas, config: MapConfig, key: Key) -> Map:
    """Return what a map is to be, without its samples."""
    owner = atlas.layer(config.layer)
    axes: dict[str, str | list[str]] = {
        "x": [class_name(index, atlas.classes) for index in config.classes]
    }
    assert config.choice is not None and config.drawing is not None
    choice = config.choice.fitted(len(owner.points))
    chosen = {"seed": np.asarray(jax.random.key_data(key)).tolist()}
    return dataclasses.replace(
        owner,
        kind="class" if len(config.classes) == 1 else "comparison",
        classes=config.classes,
        axes=Info(axes) if len(config.classes) == 2 else None,
        settings=Info(chosen | settings(choice) | settings(config.drawing)),
        grids=(),
    )


def _made(
    network: Network,
    params: Params,
    atlas: Atlas,
    config: MapConfig,
    blank: Map,
    checkpoints: Checkpoints,
    *,
    key: Key,
    images: ImageSource | None,
    chunk: int | None,
    progress: bool,
) -> Map:
    """Choose the samples of a map, lay them out and draw its cells."""
    check_network(atlas, network, params)
    assert config.choice is not None and config.drawing is not None
    owner, (_, for_layout, for_icons) = blank, jax.random.split(key, 3)

    def compute() -> dict[str, HostArray]:
        table, evidence = owner.samples.vectors, owner.samples.evidence
        if isinstance(config.choice, ComparisonSelection):
            left, right = config.classes
            chosen = select_comparison(
                table, evidence, left=left, right=right, key=for_layout,
                config=config.choice, progress=progress,
            )  # fmt: skip
        else:
            chosen = select_class(
                table, evidence, index=config.classes[0], key=for_layout,
                config=config.choice, progress=progress,
            )  # fmt: skip
        return chosen._asdict()

    with timed("layout"):
        found = checkpoints.once("points", compute)
    rows, points = found["rows"], found["points"]
    samples = owner.samples.take(rows)
    images = images_of(atlas.info, atlas.images) if images is None else images
    job = Job(
        network, params, owner.layer, samples, images, config.choice.min_count, config.drawing,
        checkpoints,
    )  # fmt: skip
    with timed("icons"):
        grid = draw(job, points, config.choice.size, key=for_icons, chunk=chunk, progress=progress)
    return dataclasses.replace(blank, points=points, rows=rows, grids=(grid,), samples=samples)


def put(place: Path, made: Map, atlas: Atlas) -> None:
    """Write a map into an atlas folder, in the place of the one of its path if there is one.

    The map's folder is complete before it takes its place, and atlas.json is replaced last. While
    the folder of a class map gives way to another, atlas.json does not name it: killed there, the
    atlas lacks the map and is whole, and the same call again puts it there. A layer's map, which
    the others need, stays named. The page is written anew, if there is one.

    Args:
      place: the atlas folder.
      made: the map.
      atlas: the atlas, which knows the names of the classes.

    Raises:
      OSError: if it cannot be written; the atlas is as it was.
    """
    info = read_info(place)  # another map may have come meanwhile
    entry = map_entry(made, atlas)
    paths = [each["path"] for each in info["maps"]]
    where = paths.index(made.path) if made.path in paths else len(paths)
    others = [each for each in info["maps"] if each["path"] != made.path]
    meanwhile = info | {"maps": others}
    info["maps"][where : where + 1] = [entry]
    with timed("save"), files.replacing(place / JSON) as file:
        file.write(files.json_bytes(info))
        with files.replacing_folder(place / made.path) as new:
            write_map(new, made)
            if made.path in paths and made.kind != "layer":
                files.write_json(place / JSON, meanwhile)
    if has_page(place):
        with timed("page"):
            export_folder(place)


def check_network(atlas: Atlas, network: Network, params: Params) -> None:
    """Raise ValueError unless an atlas is of a network with these parameters."""
    for name, now in (("network", network.name), ("weights_sha256", digest(params))):
        there = atlas.info.get(name)
        if there != now:
            raise ValueError(f"{name}: expected that of the atlas, {there}, got {now}")
