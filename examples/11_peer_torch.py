"""The same rendering in PyTorch, batched by hand, beside jatlas: milliseconds per icon-step.

The same InceptionV1 with the same weights, the same views, spectrum and objective, all icons in one
batch, Adam. Written as one would in PyTorch: a convolution for each branch, channels last,
`affine_grid` and `grid_sample` for the views; eager, and through `torch.compile`.

Usage: python examples/11_peer_torch.py [--icons 64] [--network googlenet_bvlc] [--layer mixed4c]

Needs torch (`pip install torch`). It runs on a GPU if JAX has one, else on the CPU. A CPU is
measured as the commands use it with the environment variables that README.md names for XLA's
memory.
"""

import dataclasses
import functools
import math
import os
import statistics
import time
from typing import Literal

import jax
import numpy as np
import tyro

import jatlas
from jatlas import bench
from jatlas.model import CONFIGS
from jatlas.visualize import Direction, Fourier, RandomViews, color_correlation

WARM_UP = 4  # steps
SCALE = 0.25  # lucid's factor on the inverse transform of a spectrum
FLOOR, EPSILON = 0.1, 1e-4  # of the cosine in `Direction`


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure.

    Attributes:
      network: network to visualize.
      layer: layer whose activations follow the directions, up to mixed5b.
      regime: "article" shows the network a random part of the canvas, which is 5/3 as large;
        "whole" shows it all of the canvas.
      size: side in pixels of what the network sees. Without it, 48 (article) or 96 (whole).
      precision: of the network.
      icons: number of icons.
      steps: steps of jatlas's longer run.
      torch_steps: steps of a repetition in PyTorch.
      repeat: repetitions; the table shows the median.
      compile: whether to measure `torch.compile` too.
    """

    network: str = "googlenet_bvlc"
    layer: str = "mixed4c"
    regime: Literal["article", "whole"] = "article"
    size: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    icons: int = 64
    steps: int = 64
    torch_steps: int = 8
    repeat: int = 3
    compile: bool = True


def check(network, *, layer, config):
    """Raise ValueError for a network or settings that this script does not have in PyTorch."""
    if network.name not in CONFIGS:
        raise ValueError(f"network: expected one of {', '.join(CONFIGS)}, got {network.name!r}")
    if network.index(layer) > network.index("mixed5b"):
        raise ValueError(f"layer: expected one up to mixed5b, got {layer!r}")
    parts = (("objective", Direction), ("views", RandomViews), ("parameterization", Fourier))
    for name, expected in parts:
        value = getattr(config, name)
        if not isinstance(value, expected):
            raise ValueError(f"{name}: expected {expected.__name__}, got {type(value).__name__}")
    fourier = config.parameterization
    if fourier.colors is not None or not fourier.decorrelate:
        raise ValueError(f"parameterization: expected the usual colours, got {fourier}")


def make_loss(torch, network, params, *, layer, config, device="cpu"):
    """Return (spectra, targets, theta) -> what Adam minimizes, as a function of tensors.

    The spectra are (n, 2, 3, size, size // 2 + 1), theta is a (2, 3) window, see `theta`.
    """
    check(network, layer=layer, config=config)
    dtype = getattr(torch, config.precision)
    weights = jax.tree.map(lambda x: to_tensor(torch, x, device=device, dtype=dtype), params)
    size, views, power = config.icon_size, config.views, config.objective.power
    gain = torch.tensor(SCALE * config.parameterization.gain(size), device=device)
    colors = torch.tensor(color_correlation(), device=device)
    functional = torch.nn.functional

    def loss(spectra, targets, theta):
        planes = torch.fft.irfft2(torch.complex(*(gain * spectra).unbind(1)), s=(size, size))
        image = torch.sigmoid(torch.einsum("nchw,rc->nrhw", planes, colors))
        shape = (len(spectra), 3, views.size, views.size)
        grid = functional.affine_grid(theta.expand(len(spectra), 2, 3), shape, align_corners=False)
        # Outside the image grid_sample has 0, which stands for `fill`.
        window = functional.grid_sample(image - views.fill, grid, align_corners=False)
        x = (window + views.fill).to(dtype).contiguous(memory_format=torch.channels_last)
        activation = inception(torch, weights, x, network=network, until=layer).float()
        center = activation[:, :, activation.shape[2] // 2, activation.shape[3] // 2]
        dot = (center * targets).sum(1)
        if power == 0:
            return -dot.sum()
        lengths = (center.norm(dim=1) + EPSILON) * (targets.norm(dim=1) + EPSILON)
        return -(dot * (dot / lengths).clamp(min=FLOOR) ** power).sum()

    return loss


def theta(center, side, angle):
    """Return a window (centre (y, x) and side in shares of the canvas) as `affine_grid` has it."""
    cos, sin = side * math.cos(angle), side * math.sin(angle)
    y, x = 2 * np.asarray(center) - 1
    return np.array([[cos, sin, x], [-sin, cos, y]], np.float32)


def draw_theta(config, rng):
    """Draw the window of one step, with the distribution of `RandomViews`."""
    views = config.views
    side = rng.uniform(*views.window)
    angle = math.radians(views.rotate * rng.uniform(-0.5, 0.5, 2).sum())
    places = rng.uniform(-0.5, 0.5, (views.concentration, 2))
    return theta(0.5 + max(1 + 2 * views.pad - side, 0) * places.mean(0), side, angle)


def inception(torch, weights, x, *, network, until):
    """Run InceptionV1 up to a layer on (n, 3, h, w) RGB in [0, 1]."""
    config, functional = CONFIGS[network.name], torch.nn.functional
    for name in network.layers:
        if name == "input":
            mean = torch.tensor(config.mean, dtype=x.dtype, device=x.device)[:, None, None]
            x = (255.0 * (x.flip(1) if config.bgr else x) - mean) / config.std
        elif name == "conv2d0":
            pads = [3, 3, 3, 3] if config.caffe_padding else same_padding(x, 7)
            x = conv(functional, weights[name], functional.pad(x, pads), stride=2, padding=0)
        elif name.startswith("conv"):
            x = conv(functional, weights[name], x)
        elif name.startswith("maxpool") and config.caffe_padding:
            x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
        elif name.startswith("maxpool"):
            x = functional.max_pool2d(functional.pad(x, same_padding(x, 3), value=-math.inf), 3, 2)
        elif name.startswith("localresponsenorm") and config.lrn_alpha:
            x = local_response_norm(functional, x, config)
        elif name.startswith("mixed"):
            x = block(torch, weights[name], x)
        if name == until:
            return x
    raise ValueError(f"until: expected a convolutional layer, got {until!r}")


def conv(functional, part, x, *, stride=1, padding=None):
    """Convolve, add the bias and rectify; by default the map keeps its size."""
    padding = part["kernel"].shape[-1] // 2 if padding is None else padding
    y = functional.conv2d(x, part["kernel"], part["bias"], stride=stride, padding=padding)
    return functional.relu(y)


def local_response_norm(functional, x, config):
    """Normalize over channels; torch divides alpha by the width, and has no half precision."""
    width = 2 * config.lrn_radius + 1
    alpha = config.lrn_alpha * width
    y = functional.local_response_norm(
        x.float(), width, alpha=alpha, beta=config.lrn_beta, k=config.lrn_bias
    )
    return y.to(x.dtype)


def same_padding(x, window):
    """Return TensorFlow's SAME padding (left, right, top, bottom) for windows of stride 2."""

    def along(size):
        total = max((-(-size // 2) - 1) * 2 + window - size, 0)
        return total // 2, total - total // 2

    return [*along(x.shape[3]), *along(x.shape[2])]


def block(torch, part, x):
    """Run an Inception block: four towers side by side."""
    step = functools.partial(conv, torch.nn.functional)
    pooled = torch.nn.functional.max_pool2d(x, 3, 1, padding=1)
    towers = (
        step(part["conv1x1"], x),
        step(part["conv3x3"], step(part["conv3x3_bottleneck"], x)),
        step(part["conv5x5"], step(part["conv5x5_bottleneck"], x)),
        step(part["pool_reduce"], pooled),
    )
    return torch.cat(towers, dim=1)


def to_tensor(torch, leaf, *, device, dtype):
    """Turn a parameter into a tensor; kernels HWIO become OIHW."""
    array = np.asarray(leaf)
    if array.ndim != 4:
        return torch.tensor(array, device=device, dtype=dtype)
    kernel = torch.tensor(array.transpose(3, 2, 0, 1).copy(), device=device, dtype=dtype)
    return kernel.contiguous(memory_format=torch.channels_last)


def measure(torch, loss, targets, *, device, config, steps, repeat):
    """Return milliseconds per icon-step, and the seconds that the first steps took longer."""
    rng, side = np.random.default_rng(0), config.icon_size
    shape = (len(targets), 2, 3, side, side // 2 + 1)
    spectra = torch.tensor(config.parameterization.spread * rng.standard_normal(shape))
    spectra = spectra.to(device, torch.float32).requires_grad_()
    targets = torch.tensor(targets, device=device)
    adam = torch.optim.Adam([spectra], lr=config.optimizer.learning_rate)

    def run(steps):
        start = time.perf_counter()
        for _ in range(steps):
            window = torch.tensor(draw_theta(config, rng)).to(device)
            adam.zero_grad()
            loss(spectra, targets, window).backward()
            adam.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    first = run(WARM_UP)
    step = statistics.median(run(steps) for _ in range(repeat)) / steps
    return 1e3 * step / len(targets), max(first - WARM_UP * step, 0.0)


def main(options):
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # torch wants GPU memory too
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    import torch

    device = {"cpu": "cpu", "gpu": "cuda"}[jax.default_backend()]
    network, params = jatlas.load_network(options.network)
    base = jatlas.RenderConfig(steps=options.steps, precision=options.precision)
    regime = bench.article if options.regime == "article" else bench.whole
    sizes = {} if options.size is None else {"size": options.size}
    config = regime(config=base, **sizes)
    layer, icons, repeat = options.layer, options.icons, options.repeat
    loss = make_loss(torch, network, params, layer=layer, config=config, device=device)
    speed = bench.bench_render(
        network, params, layer=layer, key=jax.random.key(0), config=config, icons=icons,
        repeat=repeat,
    )  # fmt: skip
    ours = speed.ms_per_icon_step
    print(f"{icons} icons of {layer}, {network.name}, {config.views.size} px of {config.icon_size}")
    print(f"{'jatlas.render':<20} {ours:.3g} ms per icon-step, compiling {speed.compile_s:.1f} s")
    targets = bench.random_directions(network, params, layer=layer, config=config, icons=icons)
    ways = [("torch eager", loss)]
    if options.compile:
        ways.append(("torch.compile", torch.compile(loss)))
    for name, way in ways:
        took, compiling = measure(
            torch, way, targets, device=device, config=config, steps=options.torch_steps,
            repeat=repeat,
        )  # fmt: skip
        print(
            f"{name} {torch.__version__:<8} {took:.3g} ms per icon-step, {took / ours:.2f} times "
            f"as long; compiling {compiling:.1f} s"
        )


if __name__ == "__main__":
    main(tyro.cli(Options))
