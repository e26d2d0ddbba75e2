"""The same rendering in PyTorch, batched by hand: what jatlas is compared with.

The same InceptionV1 with the same weights, the same views, spectrum and objective, all icons in
one batch, Adam. Written as one would in PyTorch: a convolution for each branch, channels last,
`affine_grid` and `grid_sample` for the views. torch is no dependency: it is imported here only,
when it is asked for.
"""

import dataclasses
import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jatlas.bench import _machine as on
from jatlas.model import CONFIGS, InceptionConfig, Network
from jatlas.types import HostArray, Params
from jatlas.visualize import Direction, Fourier, RandomViews, RenderConfig, color_correlation
from jatlas.visualize._parameterize import INITIAL_SPREAD, SCALE

Tensor = Any
Torch = Any

_WARM_UP = 4
_FLOOR = 0.1  # of the cosine, as for `Direction`


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeerSpeed:
    """What an icon-step costs in PyTorch.

    Attributes:
      name: "torch eager" or "torch.compile".
      version: of torch.
      device: what it ran on, in torch's words.
      ms_per_icon_step: milliseconds, from the median of the repetitions; None where it failed.
      ms_per_icon_step_min: the same from the fastest one.
      compile_s: seconds more that the first steps took.
      failed: why there is no number.
    """

    name: str
    version: str
    device: str
    ms_per_icon_step: float | None = None
    ms_per_icon_step_min: float | None = None
    compile_s: float | None = None
    failed: str | None = None


def bench_torch(
    network: Network,
    params: Params,
    targets: HostArray,
    *,
    layer: str,
    config: RenderConfig | None = None,
    steps: int = 16,
    repeat: int = 3,
    compiled: bool = True,
) -> tuple[PeerSpeed, ...]:
    """Measure an icon-step in PyTorch, eager and compiled, on a GPU if JAX has one, else the CPU.

    Args:
      network: one of the known InceptionV1.
      params: its parameters.
      targets: (n, channels) directions.
      layer: the stage that is followed, the last one of the peer's network.
      config: settings of the render; the objective must be `Direction`, the views `RandomViews`,
        the parameterization a plain `Fourier`. None means `RenderConfig()`.
      steps: steps of a repetition.
      repeat: repetitions, after one that warms up.
      compiled: whether to try `torch.compile` too.

    Returns:
      PeerSpeed of each way.

    Raises:
      ValueError: without torch, or for settings or a network that the peer does not have.
    """
    config = RenderConfig() if config is None else config
    if steps < 1 or repeat < 1:
        raise ValueError(f"steps, repeat: expected at least 1, got {steps} and {repeat}")
    torch, device = _torch(), _device()
    loss = make_loss(network, params, layer=layer, config=config)
    ways: list[tuple[str, Callable[..., Tensor]]] = [("torch eager", loss)]
    if compiled:
        ways.append(("torch.compile", torch.compile(loss)))
    found = []
    for name, way in ways:
        speed = PeerSpeed(name=name, version=torch.__version__, device=_name(torch, device))
        measure = functools.partial(
            _measure, torch, way, targets, device=device, config=config, steps=steps, repeat=repeat
        )
        try:
            found.append(measure(speed))
        except Exception as error:  # a compiler that is missing or fails, in any of its ways
            if way is loss:
                raise
            reason = " ".join(str(error).split())[:200]
            found.append(dataclasses.replace(speed, failed=f"{type(error).__name__}: {reason}"))
    return tuple(found)


def make_loss(
    network: Network, params: Params, *, layer: str, config: RenderConfig
) -> Callable[..., Tensor]:
    """Return (spectra, targets, theta) -> what Adam lowers, as a function of tensors.

    The spectra are (n, 2, 3, size, size // 2 + 1), theta is the (2, 3) window in `affine_grid`'s
    form, see `theta`.

    Raises:
      ValueError: without torch, or for settings or a network that the peer does not have.
    """
    _check(network, layer, config)
    torch, device = _torch(), _device()
    dtype = getattr(torch, config.precision)
    weights = jax.tree.map(lambda x: _tensor(torch, x, device=device, dtype=dtype), params)
    size, views = config.icon_size, config.views
    objective, fourier = config.objective, config.parameterization
    assert isinstance(objective, Direction) and isinstance(fourier, Fourier)
    gain = torch.tensor(SCALE * fourier.gain(size), device=device)
    colors = torch.tensor(color_correlation(), device=device)
    run = functools.partial(
        _inception, torch, weights, config=CONFIGS[network.name], layer=layer, order=network.layers
    )

    def loss(spectra: Tensor, targets: Tensor, theta: Tensor) -> Tensor:
        functional = torch.nn.functional
        planes = torch.fft.irfft2(torch.complex(*(gain * spectra).unbind(1)), s=(size, size))
        image = torch.sigmoid(torch.einsum("nchw,rc->nrhw", planes, colors))
        shape = (len(spectra), 3, views.size, views.size)
        grid = functional.affine_grid(theta.expand(len(spectra), 2, 3), shape, align_corners=False)
        # Zero outside, which stands for `fill`.
        window = functional.grid_sample(image - views.fill, grid, align_corners=False)
        x = (window + views.fill).to(dtype).contiguous(memory_format=torch.channels_last)
        found = run(x).float()
        center = found[:, :, found.shape[2] // 2, found.shape[3] // 2]
        dot = (center * targets).sum(1)
        if objective.power == 0:
            return -dot.sum()
        lengths = (center.norm(dim=1) + 1e-4) * (targets.norm(dim=1) + 1e-4)
        return -(dot * (dot / lengths).clamp(min=_FLOOR) ** objective.power).sum()

    return loss


def theta(center: HostArray, side: float, angle: float) -> HostArray:
    """Return a window (centre (y, x) and side in shares of the canvas) as `affine_grid` has it."""
    cos, sin = side * math.cos(angle), side * math.sin(angle)
    y, x = 2 * np.asarray(center) - 1
    return np.array([[cos, sin, x], [-sin, cos, y]], np.float32)


def _draw_theta(config: RenderConfig, rng: np.random.Generator) -> HostArray:
    """Draw the window of one step, as `RandomViews` has it: (2, 3) float32."""
    views = config.views
    assert isinstance(views, RandomViews)
    side = rng.uniform(*views.window)
    angle = math.radians(views.rotate * rng.uniform(-0.5, 0.5, 2).sum())
    places = rng.uniform(-0.5, 0.5, (views.concentration, 2))
    center = 0.5 + max(1 + 2 * views.pad - side, 0) * places.mean(0)
    return theta(center, side, angle)


def _measure(
    torch: Torch,
    loss: Callable[..., Tensor],
    targets: HostArray,
    speed: PeerSpeed,
    *,
    device: str,
    config: RenderConfig,
    steps: int,
    repeat: int,
) -> PeerSpeed:
    rng = np.random.default_rng(0)
    side, icons = config.icon_size, len(targets)
    first = INITIAL_SPREAD * rng.standard_normal((icons, 2, 3, side, side // 2 + 1))
    spectra = torch.tensor(first, dtype=torch.float32, device=device, requires_grad=True)
    aims = torch.tensor(targets, device=device)
    adam = torch.optim.Adam([spectra], lr=config.optimizer.learning_rate)

    def run(steps: int) -> None:
        for _ in range(steps):
            window = torch.tensor(_draw_theta(config, rng)).to(device)
            adam.zero_grad()
            loss(spectra, aims, window).backward()
            adam.step()
        if device == "cuda":
            torch.cuda.synchronize()

    started = on.timed(lambda: run(_WARM_UP))
    found = on.times(lambda: run(steps), repeat=repeat)
    each = 1e3 / steps / icons
    return dataclasses.replace(
        speed,
        ms_per_icon_step=each * found.median,
        ms_per_icon_step_min=each * found.min,
        compile_s=max(started - _WARM_UP * found.median / steps, 0.0),
    )


def _inception(
    torch: Torch, weights: Any, x: Tensor, *, config: InceptionConfig, layer: str, order: Any
) -> Tensor:
    """Run InceptionV1 up to a layer on (n, 3, h, w) RGB in [0, 1]."""
    functional = torch.nn.functional
    mean = torch.tensor(config.mean, dtype=x.dtype, device=x.device)[:, None, None]
    for name in order:
        if name == "input":
            x = 255.0 * (x.flip(1) if config.bgr else x)
            x = (x - mean) / config.std
        elif name == "conv2d0":
            x = _first(functional, weights[name], x, caffe=config.caffe_padding)
        elif name.startswith("conv"):
            x = _conv(functional, weights[name], x)
        elif name.startswith("maxpool"):
            x = _pool(functional, x, caffe=config.caffe_padding)
        elif name.startswith("localresponsenorm") and config.lrn_alpha:
            width = 2 * config.lrn_radius + 1
            alpha = config.lrn_alpha * width  # torch divides it
            normed = functional.local_response_norm(
                x.float(), width, alpha=alpha, beta=config.lrn_beta, k=config.lrn_bias
            )
            x = normed.to(x.dtype)  # torch has no half-precise one on a CPU
        elif name.startswith("mixed"):
            x = _block(torch, weights[name], x)
        if name == layer:
            break
    return x


def _first(functional: Any, part: Any, x: Tensor, *, caffe: bool) -> Tensor:
    pads = [] if caffe else [*_same(x.shape[3], 7), *_same(x.shape[2], 7)]
    x = functional.pad(x, pads or [3, 3, 3, 3])
    return functional.relu(functional.conv2d(x, part["kernel"], part["bias"], stride=2))


def _conv(functional: Any, part: Any, x: Tensor) -> Tensor:
    side = part["kernel"].shape[-1]
    return functional.relu(functional.conv2d(x, part["kernel"], part["bias"], padding=side // 2))


def _pool(functional: Any, x: Tensor, *, caffe: bool) -> Tensor:
    if caffe:
        return functional.max_pool2d(x, 3, 2, ceil_mode=True)
    pads = [*_same(x.shape[3], 3), *_same(x.shape[2], 3)]
    return functional.max_pool2d(functional.pad(x, pads, value=-math.inf), 3, 2)


def _same(size: int, window: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding for windows at every second place."""
    total = max((-(-size // 2) - 1) * 2 + window - size, 0)
    return total // 2, total - total // 2


def _block(torch: Torch, part: Any, x: Tensor) -> Tensor:
    functional = torch.nn.functional
    conv = functools.partial(_conv, functional)
    pooled = functional.max_pool2d(x, 3, 1, padding=1)
    towers = (
        conv(part["conv1x1"], x),
        conv(part["conv3x3"], conv(part["conv3x3_bottleneck"], x)),
        conv(part["conv5x5"], conv(part["conv5x5_bottleneck"], x)),
        conv(part["pool_reduce"], pooled),
    )
    return torch.cat(towers, dim=1)


def _tensor(torch: Torch, leaf: Any, *, device: str, dtype: Any) -> Tensor:
    array = np.asarray(leaf)
    if array.ndim != 4:
        return torch.tensor(array, device=device, dtype=dtype)
    kernel = torch.tensor(array.transpose(3, 2, 0, 1).copy(), device=device, dtype=dtype)
    return kernel.contiguous(memory_format=torch.channels_last)


def _check(network: Network, layer: str, config: RenderConfig) -> None:
    if network.name not in CONFIGS:
        raise ValueError(f"network: expected one of {', '.join(CONFIGS)}, got {network.name!r}")
    if network.index(layer) > network.index("mixed5b"):
        raise ValueError(f"layer: expected one up to mixed5b, got {layer!r}")
    if not isinstance(config.objective, Direction):
        raise ValueError(f"objective: expected Direction, got {type(config.objective).__name__}")
    if not isinstance(config.views, RandomViews):
        raise ValueError(f"views: expected RandomViews, got {type(config.views).__name__}")
    fourier = config.parameterization
    if not isinstance(fourier, Fourier) or fourier.colors is not None or not fourier.decorrelate:
        raise ValueError(
            f"parameterization: expected Fourier with the usual colours, got {fourier}"
        )


def _torch() -> Torch:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ValueError(f"peer: torch is not installed here ({error})") from error


def _device() -> str:
    platform = jax.default_backend()
    if platform not in ("cpu", "gpu"):
        raise ValueError(f"peer: expected JAX on a CPU or GPU, it runs on a {platform}")
    return "cuda" if platform == "gpu" else "cpu"


def _name(torch: Torch, device: str) -> str:
    if device == "cuda":
        return str(torch.cuda.get_device_name())
    return f"cpu, {torch.get_num_threads()} threads"
