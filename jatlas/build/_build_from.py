"""`build_from`: an atlas of vectors that were collected elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jatlas.build import _identity as identity
from jatlas.build._config import BuildConfig
from jatlas.build._draw_map import draw_map
from jatlas.build._drawn import as_atlas
from jatlas.build._labels import Parents, given_labels, listed_labels, network_classes
from jatlas.build._output import check_target, complete
from jatlas.build._own_samples import as_samples, check_points
from jatlas.build._plan import Plan, check_cells, check_each_once, grid_sizes
from jatlas.build._recommended import recommended
from jatlas.collect import ImageSource, as_source, names_of
from jatlas.model import Network, digest
from jatlas.records import Atlas, Samples
from jatlas.storage import CachedStage
from jatlas.types import GENERATOR, HostArray, Key, Params, Run, checks

_SIDE = 224  # of images without a network, in pixels


def build_from(
    samples: Samples | HostArray | str | Path,
    *,
    grids: Sequence[int],
    key: Key,
    layer: str = "vectors",
    points: HostArray | str | Path | None = None,
    images: Sequence[str] | str | Path | HostArray | ImageSource | None = None,
    classes: Sequence[str] = (),
    network: Network | None = None,
    params: Params = None,
    labels: Sequence[str | None] | None = None,
    parents: Parents | None = None,
    config: BuildConfig | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Atlas:
    """Build an atlas of vectors that were collected elsewhere. A host function.

    They may be activations of any layer of any network, or embeddings of anything. With the
    network that they are of, cells get icons as in `build`; without it, each cell shows the image
    nearest to it, and without images a colour, like cells getting like ones.

    Args:
      samples: (n, channels) vectors, or the path of a .npy file of them, which is mapped into
        memory; or `Samples` with their images, positions and class evidence, which
        `jatlas.as_samples` makes of arrays and files.
      grids: cells along each side, one grid per number.
      key: seeds everything that is random.
      layer: name of the map; with a network, the layer that the vectors are of.
      points: (n, 2) of x to the right and y down in the unit square, or a .npy file of them, if
        the vectors are laid out already; None lays them out as `config` says.
      images: names of the images that `Samples.source` counts; or the images themselves, see
        `jatlas.collect.as_source`, which then are shown as exemplars. None names them by number.
      classes: name of each class that there is evidence for; none if unknown.
      network: what icons are rendered with; None renders none.
      params: its parameters.
      labels: as of `build`; without them cells are named by evidence, if there is any.
      parents: as of `build`.
      config: settings, of which `per_image` does not matter; None means those that suit the
        network, if there is one.
      out: as of `build`.
      overwrite: as of `build`.
      run: as of `build`.

    Returns:
      The atlas; with `out` it has been saved.

    Raises:
      ValueError: if vectors, points, images and classes do not belong together, the vectors do not
        fit the layer of the network, a grid cannot be filled, or the output folder holds something
        else.
      OSError: if a file cannot be read, or the atlas cannot be saved.

    Example:
      >>> import jax, numpy as np
      >>> points = np.random.default_rng(0).random((60, 2))
      >>> atlas = build_from(
      ...     np.random.default_rng(1).random((60, 8)), points=points, grids=(4,),
      ...     key=jax.random.key(0), run=Run(progress=False),
      ... )
      >>> int(atlas.layer().grid(4).count.sum())
      60
    """
    given = samples
    if isinstance(given, Samples):
        samples = as_samples(
            given.vectors, source=given.source, evidence=given.evidence, moment=given.moment
        )
    else:
        samples = as_samples(given)
    checks.text("layer", layer)
    sizes = grid_sizes(grids)
    check_each_once("grids", sizes)
    if config is None:
        config = BuildConfig() if network is None else recommended(network, params, (layer,))
    config = checks.instance("config", config, kinds=(BuildConfig,))
    run = checks.instance("run", run or Run(), kinds=(Run,))
    laid_out = None if points is None else check_points(points, len(samples))
    check_cells(len(samples), sizes, config, laid_out=laid_out is not None, advice="more vectors")
    source, names = _images(images, samples, network)
    known_classes = _classes(classes, samples, network)
    if network is not None:
        _check_network(network, params, layer, samples)
    target, holds_atlas = check_target(out, run)
    keys = identity.parts_of(key)
    chosen_by = identity.labels_digest(
        None if labels is None else listed_labels(labels), parents, config.names
    )
    shown = None
    if labels is not None:
        count = samples.evidence.shape[1]
        known = network_classes(known_classes, count=count) if count else None
        shown = given_labels(labels, images=len(names), classes=known, parents=parents)
    info = _describe(samples, laid_out, source, network, params)
    info |= {
        "seed": identity.seed_of(key),
        "settings": {"layers": [layer], "grids": list(sizes)} | identity.settings(config),
    }

    # Images that cannot be told from others may be others the next time.
    reusable = source is None or source.fingerprint() is not None

    def plan(folder: Path | None, stored: Atlas | None) -> Plan:
        begin = CachedStage.begin(
            (run.cache or folder) if reusable else None,
            "images",
            known=identity.results_of(stored) if stored is not None and reusable else None,
            **{name: info.get(name) for name in ("network", "weights_sha256", "code_sha256")},
            source=info["source"],
            versions=identity.deciding_versions("jax", "jaxlib"),
        )
        first = begin.then(identity.samples_name(layer), layer=layer)
        return Plan.after(
            {layer: first},
            {layer: first.then(identity.points_name(layer), **_layout(config, keys[1], info))},
            sizes,
            config=config,
            key=keys[2],
            labels=chosen_by,
            reusable=reusable,
        )

    def assemble(plan: Plan, stored: Atlas | None) -> Atlas:
        drawn = draw_map(
            network, params, samples, source,
            layer=layer, points=plan.points[layer],
            grids={size: plan.grids[layer, size] for size in sizes},
            keys=keys[1:], config=config, run=run, known=laid_out,
        )  # fmt: skip
        before = stored if reusable else None
        return as_atlas(
            {layer: drawn}, plan, info, before,
            images=names, classes=known_classes, labels=shown, by=config.names,
        )  # fmt: skip

    if target is None:
        return assemble(plan(None, None), None)
    return complete(
        target, plan, assemble,
        info=info, classes=known_classes, holds_atlas=holds_atlas, overwrite=overwrite,
    )  # fmt: skip


def _layout(config: BuildConfig, key: Key, info: dict[str, Any]) -> dict[str, Any]:
    """Return what decides the points of the samples, as JSON values."""
    if info["source"]["points_sha256"] is not None:
        return {"points_sha256": info["source"]["points_sha256"]}
    return {
        "layout": identity.settings(config.layout),
        "key": identity.key_data(key),
        "versions": identity.deciding_versions(*identity.LAYOUT_PACKAGES),
    }


def _describe(
    samples: Samples,
    points: HostArray | None,
    source: ImageSource | None,
    network: Network | None,
    params: Params,
) -> dict[str, Any]:
    """Return everything that decides the result but settings and seed, as JSON values."""
    found = None if source is None else source.fingerprint()
    about = {"root": None, "images": None if source is None else source.count}
    return {
        **({} if network is None else identity.network_identity(network, params)),
        "generator": GENERATOR,
        "jax": identity.jax_settings(),
        "versions": identity.versions(),
        "source": about
        | dict(found or {})
        | {
            "samples_sha256": digest(samples),
            "points_sha256": None if points is None else digest(points),
        },
    }


def _images(
    images: Any, samples: Samples, network: Network | None
) -> tuple[ImageSource | None, tuple[str, ...]]:
    """Return the images if they are given, and their names."""
    count = int(samples.source[:, 0].max()) + 1
    source, names = None, tuple(f"image {number}" for number in range(count))
    listed = checks.as_tuple(images)
    if listed and all(isinstance(name, str) for name in listed):
        names = tuple(checks.text(f"images[{i}]", name) for i, name in enumerate(listed))
    elif images is not None:
        source = as_source(images, size=_SIDE if network is None else network.input_size)
        if source.count is not None:
            names = names_of(source, source.count)
    if len(names) < count:
        raise ValueError(f"images: expected at least the {count} of the samples, got {len(names)}")
    return source, names


def _classes(classes: Sequence[str], samples: Samples, network: Network | None) -> tuple[str, ...]:
    """Return the names of the classes that there is evidence for."""
    count = samples.evidence.shape[1]
    if not len(classes) and network is not None and len(network.classes) == count:
        classes = network.classes
    names = tuple(checks.text(f"classes[{i}]", name) for i, name in enumerate(classes))
    if names and len(names) != count:
        raise ValueError(f"classes: expected {count}, as there is evidence for, got {len(names)}")
    return names


def _check_network(network: Network, params: Params, layer: str, samples: Samples) -> None:
    side = network.input_size
    *_, channels = network.activation_shape(params, (side, side), layer=layer)
    if samples.vectors.shape[1] != channels:
        raise ValueError(
            f"vectors: expected {channels} channels as {layer} has, got {samples.vectors.shape[1]}"
        )
