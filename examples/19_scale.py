"""What an atlas of a million images takes on machines with many chips: a plan on paper.

Usage: python examples/19_scale.py [--images N] [--workers N] ...

Nothing is measured here. The numbers that the plan rests on, and where each comes from, are in
docs/scale.md; put in your own.
"""

import dataclasses
import math

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer of GoogLeNet: its channels, and the operations of a step of an icon."""

    channels: int
    step: float


# Counted: XLA's operations of `optimize.step`, 48 px views, before it optimizes them.
LAYERS = {
    "mixed3a": Layer(channels=256, step=0.0933e9),
    "mixed3b": Layer(channels=480, step=0.1158e9),
    "mixed4a": Layer(channels=512, step=0.1592e9),
    "mixed4b": Layer(channels=512, step=0.1711e9),
    "mixed4c": Layer(channels=512, step=0.1847e9),
    "mixed4d": Layer(channels=528, step=0.1997e9),
    "mixed4e": Layer(channels=832, step=0.2177e9),
    "mixed5a": Layer(channels=832, step=0.2382e9),
    "mixed5b": Layer(channels=1024, step=0.2431e9),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """Hosts with chips. Peaks are those that makers publish, for one chip, in 1/s and bytes/s."""

    name: str
    hosts: int
    threads: int  # hardware threads of a host
    chips: int  # of all hosts
    half: float  # operations in bfloat16
    single: float  # operations in float32
    memory: float  # bytes


MACHINES = (
    # In float32 a TPU multiplies in six passes.
    Machine(
        name="v5e-16", hosts=4, threads=112, chips=16, half=197e12, single=197e12 / 6, memory=819e9
    ),
    Machine(
        name="one H100", hosts=1, threads=16, chips=1, half=989e12, single=67e12, memory=3.35e12
    ),
    Machine(
        name="8 H100", hosts=1, threads=208, chips=8, half=989e12, single=67e12, memory=3.35e12
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What is made, and the rates that its time rests on."""

    # What is made
    images: int = 1_000_000
    classes: int = 1000
    grids: tuple[int, ...] = (20, 40, 80, 160)
    filled: float = 0.74  # share of the cells that get an icon
    steps: int = 96
    exemplars: int = 9
    neighbors: int = 50
    segment: int = 256  # images whose results are kept together
    file: float = 110e3  # bytes of an image

    # The hosts; `workers` of 0 stands for one per hardware thread
    workers: int = 0
    decode: float = 430.0  # images per second of a core
    thread: float = 0.5  # of a core that a hardware thread is worth, with all of them at work
    write: float = 0.56e9  # bytes per second
    layout: float = 107.0  # seconds of a layer without its neighbours, for a million vectors
    cells: float = 17.0  # seconds of averages, evidence and exemplars, a grid and a million vectors
    page: float = 0.33e9  # bytes of an atlas that its page takes in, per second
    compiling: float = 25.0  # seconds of a layer's programs that render

    # The chips
    image_work: float = 10.9e9  # operations of extraction and evidence at nine layers, an image
    image_bytes: float = 366e6  # read and written
    block_work: float = 34.2e9  # operations of 1,024 queries and 32,288 candidates, 512 channels
    block_bytes: float = 5.46e9
    icon_bytes: float = 18.3e6  # of a step of an icon at mixed4c
    share: float = 0.5  # of the peaks that extraction and neighbours reach
    icon_share: float = 0.78  # of the memory's bandwidth that rendering reaches


@dataclasses.dataclass(frozen=True)
class Stage:
    """Seconds of a stage, and what bounds them."""

    seconds: float
    bound: str


def stages(plan: Plan, machine: Machine) -> dict[str, Stage]:
    """Return the stages of a build, of which the first three run beside each other."""
    rate = decode_rate(plan, machine)
    leader = rate / machine.hosts
    layers, millions = len(LAYERS), plan.images / 1e6
    kept = disk(plan)
    return {
        "decode": Stage(plan.images / rate, "host cores"),
        "extract": on_chips(
            plan, machine, plan.images * plan.image_work, plan.images * plan.image_bytes, "half"
        ),
        "write segments": Stage(kept["segments"] / plan.write / machine.hosts, "disk"),
        "join segments": Stage(
            (disk(plan)["segments"] + disk(plan)["joined"]) / plan.write, "disk"
        ),
        "neighbours": neighbors(plan, machine),
        "layout": Stage(
            math.ceil(layers / machine.hosts) * plan.layout * millions, "a process for each layer"
        ),
        "averages and exemplars": Stage(
            layers * len(plan.grids) * plan.cells * millions, "one process"
        ),
        "compile": Stage(layers * plan.compiling, "one core"),
        "icons": icons(plan, machine),
        "crops": Stage(crops(plan) / leader, "cores of one host"),
        "save": Stage(kept["atlas"] / plan.write, "disk"),
        "page": Stage(kept["atlas"] / plan.page, "one process"),
    }


def decode_rate(plan: Plan, machine: Machine) -> float:
    """Return how many images all hosts decode in a second."""
    cores = machine.threads * plan.thread
    return machine.hosts * plan.decode * (min(plan.workers, cores) if plan.workers else cores)


def on_chips(plan: Plan, machine: Machine, work: float, moved: float, kind: str) -> Stage:
    """Return the longer of the times for arithmetic and for memory."""
    arithmetic = work / getattr(machine, kind)
    memory = moved / machine.memory
    bound = "arithmetic" if arithmetic > memory else "memory of the chips"
    return Stage(max(arithmetic, memory) / machine.chips / plan.share, bound)


def neighbors(plan: Plan, machine: Machine) -> Stage:
    """Compare all pairs at each layer, a block of 1,024 queries and 32,288 candidates at a time."""
    blocks = math.ceil(plan.images / 1024) * math.ceil(plan.images / 32_288)
    wide = sum(layer.channels for layer in LAYERS.values()) / 512
    return on_chips(
        plan, machine, wide * blocks * plan.block_work, len(LAYERS) * blocks * plan.block_bytes,
        "single",
    )  # fmt: skip


def icons_per_layer(plan: Plan) -> float:
    """Return how many cells of all grids of a layer get an icon."""
    return plan.filled * sum(grid**2 for grid in plan.grids)


def icons(plan: Plan, machine: Machine) -> Stage:
    """Render all icons; a layer costs in proportion to its operations."""
    relative = sum(layer.step for layer in LAYERS.values()) / LAYERS["mixed4c"].step
    moved = relative * icons_per_layer(plan) * plan.steps * plan.icon_bytes
    seconds = moved / machine.memory / machine.chips / plan.icon_share
    return Stage(seconds, "memory of the chips")


def crops(plan: Plan) -> float:
    """Return how many images are decoded again: for each grid those of its exemplars, each once."""
    wanted = (plan.filled * grid**2 * plan.exemplars for grid in plan.grids)
    return len(LAYERS) * sum(min(number, plan.images) for number in wanted)


def disk(plan: Plan) -> dict[str, float]:
    """Return bytes: of the images, of what is kept on the way, and of the result."""
    evidence = 2 * plan.classes  # float16
    totals = {"images": plan.images * plan.file, "segments": 0.0, "moments": 0.0, "joined": 0.0}
    totals |= {"neighbours": 8.0 * len(LAYERS) * plan.images * plan.neighbors, "atlas": 0.0}
    count = icons_per_layer(plan)
    for layer in LAYERS.values():
        sample = 4 * layer.channels + evidence
        moments = math.ceil(plan.images / plan.segment) * 2 * layer.channels * (layer.channels + 1)
        totals["moments"] += moments
        totals["segments"] += plan.images * (sample + 8) + moments
        totals["joined"] += plan.images * (sample + 12)
        cells = sum(grid**2 for grid in plan.grids) * 4 * (layer.channels + plan.classes + 1)
        pictures = count * 3 * (80**2 + plan.exemplars * 48**2)
        totals["atlas"] += plan.images * (sample + 12 + 8) + 4 * layer.channels**2
        totals["atlas"] += cells + pictures
    return totals


def total(found: dict[str, Stage]) -> float:
    """Return the seconds of a build: reading, extracting and writing run beside each other."""
    beside = ("decode", "extract", "write segments")
    return max(found[name].seconds for name in beside) + sum(
        stage.seconds for name, stage in found.items() if name not in beside
    )


def report(plan: Plan) -> str:
    """Return the tables as Markdown."""
    found = [stages(plan, machine) for machine in MACHINES]
    lines = ["| | " + " | ".join(machine.name for machine in MACHINES) + " |"]
    lines.append("|---|" + "---|" * len(MACHINES))
    for name in found[0]:
        cells = [f"{minutes(each[name].seconds)}, {each[name].bound}" for each in found]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("| all | " + " | ".join(f"{total(each) / 3600:.1f} h" for each in found) + " |")
    lines += ["", "| on disk | GB |", "|---|---|"]
    said = {"moments": "of which moments"}
    lines += [f"| {said.get(name, name)} | {size / 1e9:.0f} |" for name, size in disk(plan).items()]
    return "\n".join(lines)


def minutes(seconds: float) -> str:
    """Return a time as people say it."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    print(report(tyro.cli(Plan)))
